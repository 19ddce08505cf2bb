"""Where results are written: never over what is there, unless told to, and never two in one place."""

import errno
import os
import secrets
import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from infrastructure.mendable import Mendable

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What a disk says that has none, as USB sticks and some shares of networks."""


class ResultExists(Mendable):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} exists: remove it, choose another place with --output, or replace it with --force"
        )


class SameResult(Mendable):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"more than one recording would be written to {path}: give them in turn, each with an --output of its own"
        )


class NotWritten(Mendable):
    def __init__(self, path: Path, problem: OSError) -> None:
        super().__init__(f"{path} cannot be written: {problem.strerror}")


def targets_of(files: Sequence[Path], folder: Path, ending: str, *, force: bool) -> Mapping[Path, Path]:
    """A place for the result of each, asked for before anything is uploaded. Raises ResultExists, SameResult or NotWritten.

    Recordings that differ in their ending alone keep it: a.mp3 and a.wav become a.mp3.txt and a.wav.txt.
    """
    stems = Counter(file.stem for file in files)
    places = [folder / f"{file.stem if stems[file.stem] == 1 else file.name}.{ending}" for file in files]
    for target, count in Counter(places).items():
        if count > 1:
            raise SameResult(target)
        require_free(target, force=force)
    _require_no_recordings(places, files)
    _require_folder(folder)
    return dict(zip(files, places, strict=True))


def _require_no_recordings(places: Sequence[Path], files: Sequence[Path]) -> None:
    """Not with --force, either: a result may be made again, a recording not. Raises NotWritten."""
    recordings = {file.resolve() for file in files}
    for target in places:
        if target.resolve() in recordings:
            raise NotWritten(target, OSError(errno.EEXIST, "it is a recording"))


def _require_folder(folder: Path) -> None:
    """Makes it where it is missing. Raises NotWritten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise NotWritten(folder, problem) from problem
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotWritten(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def require_free(target: Path, *, force: bool) -> None:
    """Raises ResultExists, unless it may be replaced, or NotWritten where nothing of that name can be."""
    try:
        there = _mode_of(target)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise NotWritten(target, problem) from problem
    if not stat.S_ISREG(there):
        raise NotWritten(target, OSError(errno.EEXIST, "it is there, and no regular file"))
    if not force:
        raise ResultExists(target)


def _mode_of(target: Path) -> int:
    """Of what it leads to; a link that leads nowhere counts as a file, as it can be replaced like one."""
    target.lstat()
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return stat.S_IFREG


def write_result(
    target: Path, content: bytes, *, force: bool, link: Callable[[Path, Path], None] = os.link
) -> None:
    """Whole or not at all. Raises ResultExists where something came to be there meanwhile, or NotWritten."""
    fresh = target.with_name(f".stenolog-{secrets.token_hex(8)}")
    try:
        fresh.write_bytes(content)
        if not force:
            _take_name(fresh, target, link)
        fresh.replace(target)
    except FileExistsError as problem:
        raise ResultExists(target) from problem
    except OSError as problem:
        raise NotWritten(target, problem) from problem
    finally:
        with suppress(OSError):
            fresh.unlink()


def _take_name(fresh: Path, target: Path, link: Callable[[Path, Path], None]) -> None:
    """So that nobody else has it. Raises FileExistsError."""
    try:
        link(fresh, target)
    except OSError as problem:
        if problem.errno not in _NO_LINKS:
            raise
        target.touch(exist_ok=False)
