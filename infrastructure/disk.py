"""How much room a disk has left, and what a full one looks like from a program."""

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from infrastructure.settings import InvalidSetting

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
FREE_BYTES_MIN: Final = 256 << 20
"""Below that a disk counts as full: the next upload may be what fills it."""
_POSTGRES_DISK_FULL: Final = "53100"
"""Its SQLSTATE, on the errors of any driver."""


def free_bytes(path: Path) -> int:
    """What an ordinary user may still write to the disk that `path` lies on. Raises OSError."""
    return shutil.disk_usage(path).free


def require_space(path: Path, count: int) -> None:
    """Raises OSError, as a write would, when fewer than `count` bytes are free where `path` lies."""
    if free_bytes(path) < count:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def is_full(problem: BaseException) -> bool:
    """Whether a full disk, or a quota on it that is used up, is behind the error, however often it was translated."""
    behind: BaseException | None = problem
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in FULL:
            return True
        if getattr(behind, "sqlstate", None) == _POSTGRES_DISK_FULL:
            return True
        behind = behind.__cause__
    return False


def require_writable(folder: Path) -> None:
    """Tries it, since rights, read-only disks and full ones are known for certain only then. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0")
        file.flush()


def temporary_folder() -> Path:
    """Where large files are kept for a moment. Raises InvalidSetting when TMPDIR cannot be used for that.

    Python would take another folder then without a word, which may be one in memory.
    """
    chosen = os.environ.get("TMPDIR")
    folder = Path(chosen or tempfile.gettempdir())
    try:
        require_writable(folder)
    except OSError as problem:
        if not is_full(problem):
            raise InvalidSetting(f"TMPDIR: {folder} cannot be written: {problem.strerror}") from problem
    return folder
