"""Where a model comes from: the commit and the files that the first fetch decided on, kept beside the model."""

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from embedded.hub.problems import ModelNotFetched
from inference_worker.catalogue import Published
from inference_worker.models import MODEL_FILES

_FETCHED: Final = re.compile(
    r"config\.json|preprocessor_config\.json|tokenizer\.json|vocabulary\.(json|txt)|model\.bin|LICENSE|README\.md"
)
"""What an engine reads, and what says whose model it is. No name leads out of the model's folder."""
_WEIGHTS: Final = "model.bin"
_FIRST_BYTES_MAX: Final = 1 << 20


class RemoteFile(msgspec.Struct, frozen=True):
    """`sha256` is known of what is kept by its content; `git_sha1` is git's name for any other file."""

    name: str
    size_bytes: int
    sha256: str = ""
    git_sha1: str = ""


class Origin(msgspec.Struct, frozen=True):
    repo: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def fetched_files(listed: Sequence[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Small ones first, so that what is wrong with a model is known before its weights come."""
    wanted = [file for file in listed if _FETCHED.fullmatch(file.name)]
    return tuple(sorted(wanted, key=lambda file: file.size_bytes))


def require_model(origin: Origin) -> None:
    """Raises ModelNotFetched where the files cannot be a CTranslate2 model."""
    names = {file.name for file in origin.files}
    missing = [name for name in MODEL_FILES if name not in names]
    if missing:
        raise ModelNotFetched(
            f"{origin.repo} is no CTranslate2 Whisper model: it has no {', '.join(missing)}; "
            "name a repository with a converted one"
        )


def require_pinned(origin: Origin, model: Published) -> None:
    """Raises ModelNotFetched where the hub offers other weights than those that are pinned."""
    offered = next((file.sha256 for file in origin.files if file.name == _WEIGHTS), "")
    if model.weights_sha256 not in ("", offered):
        raise ModelNotFetched(
            f"{origin.repo}@{origin.commit} has weights with SHA-256 {offered or 'unknown'}, pinned is "
            f"{model.weights_sha256}: nothing was fetched; check HF_ENDPOINT"
        )


def is_right(path: Path, file: RemoteFile) -> bool:
    """Whether the content of `path` is that of the file, by its size and its hash."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as content:
        if file.sha256:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
        digest = hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
        while chunk := content.read(_FIRST_BYTES_MAX):
            digest.update(chunk)
        return digest.hexdigest() == file.git_sha1


def is_whisper(weights: Path) -> bool:
    """CTranslate2 writes a version of four bytes, then the length and the name of the kind of model."""
    with weights.open("rb") as content:
        return content.read(18)[6:] == b"WhisperSpec\0"


def read_origin(file: Path, model: Published) -> Origin | None:
    """What was decided on before; None when nothing was, or for another commit than is pinned by now."""
    try:
        origin = msgspec.json.decode(file.read_bytes(), type=Origin)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return origin if origin.repo == model.repo and model.commit in ("", origin.commit) else None


def write_origin(file: Path, origin: Origin) -> None:
    """Whole or not at all."""
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(origin)))
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
