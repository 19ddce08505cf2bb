"""How much room a disk has left, and what a full one looks like from a program."""

import errno
import shutil
from pathlib import Path
from typing import Final

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def free_bytes(path: Path) -> int:
    """What an ordinary user may still write to the disk that `path` lies on. Raises OSError."""
    return shutil.disk_usage(path).free


def is_full(problem: BaseException) -> bool:
    """Whether a full disk, or a quota on it that is used up, is behind the error, however often it was translated."""
    behind: BaseException | None = problem
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in FULL:
            return True
        behind = behind.__cause__
    return False
