"""Where results are written: never over what is there, unless told to, and never two in one place."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from infrastructure.mendable import Mendable


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
    targets = {
        file: folder / f"{file.stem if stems[file.stem] == 1 else file.name}.{ending}" for file in files
    }
    for target, count in Counter(targets.values()).items():
        if count > 1 or len(targets) < len(files):
            raise SameResult(target)
        require_free(target, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise NotWritten(folder, problem) from problem
    return targets


def require_free(target: Path, *, force: bool) -> None:
    """Raises ResultExists, unless it may be replaced."""
    if target.exists() and not force:
        raise ResultExists(target)


def write_result(target: Path, content: bytes, *, force: bool) -> None:
    """Whole or not at all. Raises ResultExists where something came to be there meanwhile, or NotWritten."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        if force:
            fresh.replace(target)
        else:
            os.link(fresh, target)
    except FileExistsError as problem:
        raise ResultExists(target) from problem
    except OSError as problem:
        raise NotWritten(target, problem) from problem
    finally:
        fresh.unlink(missing_ok=True)
