"""Java's cache of loaded and linked classes: with it Kafka starts in half the time, on half the processor time.

Made once per machine, Java and set of jars by a broker that is started on an empty folder and stopped again (JEP 483,
JEP 514). Java checks what it finds against its own version and the jars, and does without where they differ.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

QUIET_SECONDS: Final = 30.0
"""After a start: what makes the next one quicker must not make this one slower."""
_SUFFIX: Final = ".aot"
_TRAINING: Final = ".training-"

Train = Callable[[Path, Path], Awaitable[None]]
"""Runs the program once in an empty folder, and has Java write the cache to a path."""


class AotCache:
    """`parts` is everything it is made for: where one of them changes, another cache is made."""

    def __init__(self, folder: Path, *parts: str) -> None:
        self._folder = folder
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        self._file = folder / f"{digest[:16]}{_SUFFIX}"

    def options(self) -> tuple[str, ...]:
        """For Java; none while there is no cache."""
        if not self._file.exists():
            return ()
        return (
            f"-XX:AOTCache={self._file}",
            "-Xlog:aot*=error",
        )  # It warns of each piece that it does without.

    async def make(self, train: Train) -> None:
        """Makes it if there is none and nobody else is at it. Raises what `train` raises."""
        if self._file.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with _alone(self._folder / "making") as alone:
            if alone:
                await self._make(train)

    async def _make(self, train: Train) -> None:
        for abandoned in self._folder.glob(f"{_TRAINING}*"):  # By one that was killed: we are alone.
            shutil.rmtree(abandoned, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_TRAINING, dir=self._folder) as place:
            made = Path(place) / f"made{_SUFFIX}"
            await train(Path(place) / "data", made)
            self._remove_all_but_newest()
            made.replace(self._file)

    def _remove_all_but_newest(self) -> None:
        """One more version of Stenolog may be in use on this machine, or of Java."""
        others = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda file: file.stat().st_mtime)
        for older in others[:-1]:
            older.unlink(missing_ok=True)


async def make_in_quiet(make: Callable[[], Awaitable[None]], quiet_seconds: float = QUIET_SECONDS) -> None:
    """A chore beside a running system, which goes on whatever becomes of it."""
    await asyncio.sleep(quiet_seconds)
    try:
        await make()
    except Exception as problem:  # noqa: BLE001  # the next start is as slow as this one was, and that is all
        logger.warning("Kafka will not start any quicker: %r", problem)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Whether nobody else on this machine holds the lock; it ends with its process."""
    handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
