"""A folder of a process's own for recordings on their way, which is cleared away whatever becomes of the process."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from infrastructure.disk import temporary_folder
from infrastructure.private_files import make_private
from infrastructure.settings import InvalidSetting

LOCK_SUFFIX: Final = ".lock"


def scratch_root(role: str) -> Path:
    """Where the processes of one role, `worker` or `api`, of this account keep their folders. Raises InvalidSetting."""
    return temporary_folder() / f"stenolog-{role}-{os.geteuid()}"


def remove_leftovers(root: Path) -> Sequence[UUID]:
    """Removes the folders of killed processes and returns whose they were: the kernel knows, no clock is asked.

    Raises InvalidSetting when somebody else made `root`.
    """
    _provide(root)
    return [UUID(lock.stem) for lock in root.glob(f"*{LOCK_SUFFIX}") if _remove_leftover(lock)]


@contextmanager
def open_scratch(root: Path, process_id: UUID) -> Iterator[Path]:
    """A new private folder, removed at the end. Raises InvalidSetting when somebody else made `root`."""
    _provide(root)
    folder = root / process_id.hex
    lock = _lock(folder)
    try:
        make_private(folder)
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def _provide(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.stat().st_uid != os.geteuid():
        raise InvalidSetting(f"TMPDIR: {root} belongs to another account: remove it, or choose another")
    root.chmod(0o700)


def _lock(folder: Path) -> int:
    """A lock that ends with its process; it gets its name once it is held, so nobody takes it for a leftover."""
    unnamed = folder.with_suffix(".new")
    lock = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(folder.with_suffix(LOCK_SUFFIX))
    return lock


def _remove_leftover(lock: Path) -> bool:
    """False when its process lives, or has just ended in peace."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(lock.with_suffix(""))
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _remove(folder: Path) -> None:
    """The lock goes last: while it stands, somebody will clear the folder away."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(LOCK_SUFFIX).unlink(missing_ok=True)
