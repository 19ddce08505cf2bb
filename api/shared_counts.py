"""What has been counted in the log, kept where all API processes of a machine find it: whichever is asked, it says the same."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

_FILE: Final = "log-counts.json"
_LOCK: Final = "log-counts.lock"

logger = logging.getLogger(__name__)


class Counted(Struct, frozen=True):
    """Up to which seq of each partition, and of each type and reason how many."""

    seqs: dict[int, int] = {}
    counts: list[tuple[str, str, int]] = []


class SharedCounts:
    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._lock = folder / _LOCK

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is this process that counts now. It never waits: another that does will tell all."""
        lock = os.open(self._lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except BlockingIOError:
            is_ours = False
        try:
            yield is_ours
        finally:
            os.close(lock)

    def load(self) -> Counted:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Counted)
        except FileNotFoundError:
            return Counted()

    def save(self, counted: Counted) -> None:
        """As a whole or not at all. On a full disk the same events are counted again at the next look."""
        whole = self._path.with_suffix(".new")
        try:
            whole.write_bytes(msgspec.json.encode(counted))
            whole.replace(self._path)
        except OSError as problem:
            logger.warning("counts of the log are not kept: %s", problem.strerror)
