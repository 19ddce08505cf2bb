"""How much room a disk has left, and what a full one looks like from a program."""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

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
