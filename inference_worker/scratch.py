"""A folder of a worker's own for media in work, which is cleared away whatever becomes of the worker."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

LOCK_SUFFIX: Final = ".lock"


def scratch_root() -> Path:
    """Where the workers of this account keep their folders."""
    return Path(tempfile.gettempdir()) / f"stenolog-worker-{os.geteuid()}"


@contextmanager
def open_scratch(root: Path) -> Iterator[Path]:
    """A new private folder, removed at the end; folders whose workers were killed are removed at the start.

    Raises PermissionError when somebody else made `root`.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.stat().st_uid != os.geteuid():
        raise PermissionError(f"{root} belongs to another account: remove it, or set TMPDIR")
    _remove_leftovers(root)
    folder = root / uuid4().hex
    lock = _lock(folder)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def _lock(folder: Path) -> int:
    """A lock that ends with its process; it gets its name once it is held, so nobody takes it for a leftover."""
    unnamed = folder.with_suffix(".new")
    lock = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(folder.with_suffix(LOCK_SUFFIX))
    return lock


def _remove_leftovers(root: Path) -> None:
    for lock in root.glob(f"*{LOCK_SUFFIX}"):
        try:
            descriptor = os.open(lock, os.O_RDWR)
        except FileNotFoundError:
            continue  # Its worker has just ended in peace.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(lock.with_suffix(""))
        except BlockingIOError:
            pass  # Its worker lives.
        finally:
            os.close(descriptor)


def _remove(folder: Path) -> None:
    """The lock goes last: while it stands, somebody will clear the folder away."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(LOCK_SUFFIX).unlink(missing_ok=True)
