"""How far something is, on standard error: a live bar in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

OnPercent = Callable[[float, str], None]
"""Told how many of 100 are done, and a word on what goes on."""

LATE_SECONDS: Final = 2.0
_LINE_EVERY_PERCENT: Final = 20


Bar = Callable[[str], OnPercent]
"""Begins one more bar under a title."""


@contextmanager
def percent_bar(title: str) -> Iterator[OnPercent]:
    with percent_bars() as bar:
        yield bar(title)


@contextmanager
def percent_bars() -> Iterator[Bar]:
    """Any number of them, one below the other."""
    if sys.stderr.isatty():
        with _live() as bar:
            yield bar
    else:
        yield _Lines


@contextmanager
def _live() -> Iterator[Bar]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def begin(title: str) -> OnPercent:
            task = progress.add_task(title, total=100, state="")
            return lambda percent, state: progress.update(task, completed=percent, state=state)

        yield begin


class _Lines:
    """Prints a line for each new state, and for each further step of progress."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._printed = (-1, "")

    def __call__(self, percent: float, state: str) -> None:
        step = int(percent // _LINE_EVERY_PERCENT)
        if (step, state) != self._printed:
            self._printed = (step, state)
            click.echo(f"{self._title}: {percent:.0f} % {state}".rstrip(), err=True)


@contextmanager
def late_bar(title: str) -> Iterator[OnPercent]:
    """As `percent_bar`, for what may be done in a moment: then nothing is shown."""
    began = time.monotonic()
    shown: OnPercent | None = None
    with ExitStack() as stack:

        def on_percent(percent: float, state: str = "") -> None:
            nonlocal shown
            if shown is None and time.monotonic() - began >= LATE_SECONDS:
                shown = stack.enter_context(percent_bar(title))
            if shown is not None:
                shown(percent, state)

        yield on_percent
