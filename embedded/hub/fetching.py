"""A model fetched into its place: one at a time, from where an earlier attempt ended, and only when it is right."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from embedded.hub.client import fetch, listed
from embedded.hub.origin import (
    Origin,
    RemoteFile,
    is_right,
    is_whisper,
    read_origin,
    require_model,
    require_pinned,
    write_origin,
)
from embedded.hub.problems import ModelNotFetched
from inference_worker.catalogue import Published, folder_name
from inference_worker.models import models_folder
from infrastructure.disk import is_full, require_space

OnProgress = Callable[[int, int, str], None]
"""Told how many bytes of how many there are, and of which file."""
Say = Callable[[str], None]

WEIGHTS: Final = "model.bin"
_LOOK_SECONDS: Final = 0.2
_SPARE_BYTES: Final = 64 << 20
"""What a fetch leaves free on the disk."""


class Place:
    """The paths of one model in the cache."""

    def __init__(self, name: str) -> None:
        folder = folder_name(name)
        self.name = name
        self._unfinished = f".{folder}+"
        self.folder = models_folder() / folder
        self.origin = models_folder() / f"{folder}.json"
        self.lock = models_folder() / f".{folder}.lock"

    def unfinished(self, commit: str) -> Path:
        """Of this commit alone: what another one left is no beginning of it."""
        return self.folder.with_name(f"{self._unfinished}{commit[:12]}")

    def all_unfinished(self) -> Sequence[Path]:
        return sorted(self.folder.parent.glob(f"{self._unfinished}*"))


def get(name: str, model: Published, wait_seconds: float, on_progress: OnProgress, say: Say) -> Path:
    """The folder of the model, fetched and checked; one that is there is checked. Raises ModelNotFetched."""
    place = Place(name)
    try:
        place.folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place, wait_seconds, say):
            origin = _decided(place, model)
            if not _is_whole(place.folder, origin):
                _fetch_into(place, origin, on_progress)
    except OSError as problem:
        raise ModelNotFetched(_trouble(place, problem)) from problem
    return place.folder


def _trouble(place: Place, problem: OSError) -> str:
    if is_full(problem):
        return (
            f"the disk is full at {place.folder.parent}: make room, or let STENOLOG_CACHE name a larger one"
        )
    return f"{problem.filename or place.folder.parent}: {problem.strerror or problem}"


@contextmanager
def _alone(place: Place, wait_seconds: float, say: Say) -> Iterator[None]:
    """The system lets go of the lock however the process ends. Raises ModelNotFetched when the other takes too long."""
    with place.lock.open("ab") as lock:
        if not _taken(lock.fileno()):
            say(f"{place.name} is being fetched by another process; waiting for it")
            _wait(place, lock.fileno(), wait_seconds)
        yield


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _wait(place: Place, lock: int, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not _taken(lock):
        if time.monotonic() >= deadline:
            raise ModelNotFetched(
                f"another process is still fetching {place.name} after {wait_seconds:.0f} s: try again later, or --wait longer"
            )
        time.sleep(_LOOK_SECONDS)


def _decided(place: Place, model: Published) -> Origin:
    """Which commit and files it is: what was decided before, else what the hub says now."""
    origin = read_origin(place.origin, model)
    if origin is None:
        origin = listed(model)
        require_model(origin)
        require_pinned(origin, model)
        write_origin(place.origin, origin)
    return origin


def _is_whole(folder: Path, origin: Origin) -> bool:
    return folder.is_dir() and all(is_right(folder / file.name, file) for file in origin.files)


def _fetch_into(place: Place, origin: Origin, on_progress: OnProgress) -> None:
    """The folder appears whole. What there is of another commit, or was spoiled, goes when it does."""
    unfinished = place.unfinished(origin.commit)
    unfinished.mkdir(exist_ok=True)
    there = sum(_kept_bytes(unfinished / file.name, file) for file in origin.files)
    require_space(unfinished, origin.size_bytes - there + _SPARE_BYTES)
    for file in origin.files:
        there += _fetch_file(origin, file, unfinished / file.name, there, on_progress)
    if not is_whisper(unfinished / WEIGHTS):
        shutil.rmtree(unfinished)
        raise ModelNotFetched(
            f"{WEIGHTS} of {origin.repo} is no CTranslate2 Whisper model: name a repository with a converted one"
        )
    _put(unfinished, place)


def _kept_bytes(path: Path, file: RemoteFile) -> int:
    """How much of the file an earlier attempt left; too much is not of this file."""
    if path.exists() and path.stat().st_size > file.size_bytes:
        path.unlink()
    return path.stat().st_size if path.exists() else 0


def _fetch_file(origin: Origin, file: RemoteFile, path: Path, there: int, on_progress: OnProgress) -> int:
    """How many bytes it has brought. What an earlier attempt left and does not fit is fetched once more from its beginning."""
    resumed = _kept_bytes(path, file)
    before = there - resumed

    def on_bytes(count: int) -> None:
        nonlocal there
        there += count
        on_progress(there, origin.size_bytes, file.name)

    fetch(origin, file, path, on_bytes)
    if not is_right(path, file) and resumed:
        path.unlink()
        there = before
        fetch(origin, file, path, on_bytes)
    if not is_right(path, file):
        path.unlink()
        raise ModelNotFetched(
            f"{file.name} of {origin.repo} is not what the hub said it is (its hash differs): it was thrown away; "
            "try again, and check HF_ENDPOINT when that does not help"
        )
    return there - before - resumed


def _put(unfinished: Path, place: Place) -> None:
    if place.folder.exists():
        shutil.rmtree(place.folder)
    unfinished.rename(place.folder)
    parent = os.open(place.folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    for left in place.all_unfinished():
        shutil.rmtree(left)
