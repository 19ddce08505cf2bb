"""Apache Kafka's jars: pinned by hash, fetched once into a cache that all checkouts share."""

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infrastructure.mendable import Mendable

_LIST: Final = Path(__file__).with_name("kafka-jars.txt")
_THREADS: Final = 8
_DEADLINE_SECONDS: Final = 600.0
_ABANDONED_SECONDS: Final = 3600.0
_TITLE: Final = "fetching Apache Kafka (45 MB, once)"
_LINE_EVERY: Final = 15


class Jar(Struct, frozen=True):
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


class JarsUnreachable(Mendable):
    """A jar is neither in the cache nor to be had."""


class WrongJar(Mendable):
    """What came is not what was pinned; nothing of it is kept."""

    def __init__(self, jar: Jar, sha256: str) -> None:
        super().__init__(
            f"{jar.file_name} came with SHA-256 {sha256}, pinned is {jar.sha256}: nothing of it is kept"
        )


Fetch = Callable[[Jar, Path], Path]
"""Downloads a jar into an empty folder and returns its file. Raises anything when it cannot."""
Report = Callable[[int, int], None]
"""Told how many of how many jars are there."""


def pinned_jars(listed: Path = _LIST) -> Sequence[Jar]:
    lines = listed.read_text(encoding="ascii").splitlines()
    return [_parse(line) for line in lines if line and not line.startswith("#")]


def _parse(line: str) -> Jar:
    coordinate, sha256 = line.split()
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, sha256)


def missing_jars(folder: Path, jars: Sequence[Jar]) -> Sequence[Jar]:
    """Those that are not in `folder` or not what was pinned."""
    with ThreadPoolExecutor(_THREADS) as threads:
        present = threads.map(lambda jar: _is_present(folder / jar.file_name, jar), jars)
        return [jar for jar, there in zip(jars, present, strict=True) if not there]


def _is_present(file: Path, jar: Jar) -> bool:
    return file.is_file() and _sha256(file) == jar.sha256


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def provide_jars(folder: Path, jars: Sequence[Jar], fetch: Fetch, report: Report) -> None:
    """Sees that `folder` holds every jar, verified. Blocks; raises JarsUnreachable or WrongJar.

    Each jar is moved into place when it is whole and verified, so an interrupted fetch resumes where it was and two
    at once do not disturb each other.
    """
    missing = missing_jars(folder, jars)
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(folder)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder) as incoming:
            _fetch_all(
                folder,
                Path(incoming),
                missing,
                fetch,
                lambda done: report(len(jars) - len(missing) + done, len(jars)),
            )


def _fetch_all(
    folder: Path, incoming: Path, jars: Sequence[Jar], fetch: Fetch, report: Callable[[int], None]
) -> None:
    threads = ThreadPoolExecutor(_THREADS)
    try:
        pending = [threads.submit(_fetch_one, folder, incoming, jar, fetch) for jar in jars]
        report(0)
        for done, finished in enumerate(as_completed(pending, _DEADLINE_SECONDS), start=1):
            finished.result()
            report(done)
    except TimeoutError:
        raise JarsUnreachable(f"the jars had not come after {_DEADLINE_SECONDS:.0f} s") from None
    finally:
        threads.shutdown(cancel_futures=True)


def _fetch_one(folder: Path, incoming: Path, jar: Jar, fetch: Fetch) -> None:
    own = incoming / jar.file_name
    own.mkdir()
    try:
        file = fetch(jar, own)
    except Exception as problem:
        raise JarsUnreachable(f"cannot fetch {jar.file_name}: {type(problem).__name__}") from problem
    if (sha256 := _sha256(file)) != jar.sha256:
        raise WrongJar(jar, sha256)
    file.replace(folder / jar.file_name)


def _clear_abandoned(folder: Path) -> None:
    """What fetches that were killed have left; an hour is more than any living one takes."""
    for incoming in folder.glob(".incoming-*"):
        if incoming.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
            shutil.rmtree(incoming, ignore_errors=True)


def fetch_with_jgo(jar: Jar, folder: Path) -> Path:
    """One coordinate at a time: jgo's resolver of whole trees mixes versions that do not run together."""
    from jgo.maven import MavenContext  # noqa: PLC0415  # takes 0.1 s, and is needed once per machine

    context = MavenContext(repo_cache=folder, local_repos=[], timeout=20)
    return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())


@contextmanager
def jar_progress() -> Iterator[Report]:
    """On standard error, a bar in a terminal and plain lines elsewhere; nothing when every jar is there already."""
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
