"""The hash of a model's weights, computed once and remembered: gigabytes take seconds at every start of an engine."""

import contextlib
import hashlib
from pathlib import Path
from typing import Final
from uuid import uuid4

DIGEST_SIGNS: Final = 64


def weights_digest(model: Path, remembered: Path | None) -> str:
    """The SHA-256 of `model.bin`, in hex; `remembered` is the folder for what was computed before (None: nowhere).

    It counts for as long as the file keeps its path, size, inode and time of change. Where the folder cannot be
    written it is computed each time.
    """
    weights = model / "model.bin"
    note = None if remembered is None else remembered / _identity(weights)
    if note is not None and (known := _known(note)) is not None:
        return known
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if note is not None:
        with contextlib.suppress(OSError):
            _write(note, digest)
    return digest


def _identity(file: Path) -> str:
    facts = file.stat()
    identity = (
        str(file.resolve()),
        facts.st_dev,
        facts.st_ino,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,
    )
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def _known(note: Path) -> str | None:
    """None also for a note that somebody else has spoiled."""
    try:
        digest = note.read_text(encoding="ascii")
        return digest if len(bytes.fromhex(digest)) * 2 == DIGEST_SIGNS else None
    except (OSError, ValueError):
        return None


def _write(note: Path, digest: str) -> None:
    """Whole or not at all: several engines start together."""
    note.parent.mkdir(parents=True, exist_ok=True)
    draft = note.with_name(f"{note.name}.{uuid4().hex}")
    try:
        draft.write_text(digest, encoding="ascii")
        draft.replace(note)
    finally:
        draft.unlink(missing_ok=True)
