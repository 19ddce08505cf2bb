"""Shows how far the fetch of Kafka's jars is, on standard error: a bar in a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infrastructure.devstack.jars import Report

_TITLE: Final = "fetching Apache Kafka (45 MB, once)"
_LINE_EVERY: Final = 15


@contextmanager
def jar_progress() -> Iterator[Report]:
    """Shows nothing at all when every jar is there already."""
    if sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _lines


def _lines(done: int, total: int) -> None:
    if done % _LINE_EVERY == 0 or done == total:
        print(f"{_TITLE}: {done} of {total} jars", file=sys.stderr, flush=True)


@contextmanager
def _bar() -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(_TITLE, total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)
