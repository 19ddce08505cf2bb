"""Folders and files for their owner alone, whatever the umask of the process says."""

import os
from pathlib import Path
from typing import BinaryIO, Final, Literal

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600


def make_private(folder: Path) -> Path:
    """Makes the last folder of a path. Raises FileExistsError."""
    folder.mkdir(mode=FOLDER_MODE)
    folder.chmod(FOLDER_MODE)
    return folder


def provide_private(folder: Path) -> Path:
    """Makes what is missing of a path, each of it private, and leaves what is there as it is."""
    if not folder.is_dir():
        provide_private(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)  # another process may be making it
        folder.chmod(FOLDER_MODE)
    return folder


def make_private_below(scratch: Path, name: str) -> Path:
    """A new folder for what is in work. Whatever clears temporary files away takes an idle process's scratch folder, too."""
    return make_private(provide_private(scratch) / name)


def open_private(file: Path, mode: Literal["xb", "wb", "ab"]) -> BinaryIO:
    """Opens a file to write; it is private before there is anything in it. The caller closes it."""
    return open(file, mode, opener=_create)  # a path's own `open` takes no opener


def _create(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, FILE_MODE)
    os.fchmod(descriptor, FILE_MODE)
    return descriptor
