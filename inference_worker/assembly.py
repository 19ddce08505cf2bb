"""Puts a transcript together window by window, on disk, so that ten hours of words need no more memory than ten minutes."""

import hashlib
import shutil
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from msgspec.structs import replace

from domain.transcript import Transcript
from inference_worker.child_messages import WindowDone
from infrastructure.private_files import open_private
from schemas.objects import around_segments, encode_segment

COPY_BYTES: Final = 1 << 20


class Assembled(NamedTuple):
    """A transcript as it is stored: the object's bytes are in the file."""

    path: Path
    sha256: str
    word_count: int


class Assembly:
    """The segments so far, in a file; every method blocks, and may raise OSError when the disk is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: BinaryIO = open_private(folder / "segments", "xb")
        self._texts: list[str] = []
        self._word_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._segments.close()

    def add(self, window: WindowDone) -> None:
        kept = [segment for segment in window.segments if segment.words]
        for segment in kept:
            self._segments.write((b"," if self._word_count else b"") + encode_segment(segment))
            self._word_count += len(segment.words)
        self._texts += [text for text in [" ".join(each.text for each in kept if each.text)] if text]

    def finish(self, *, frame: Transcript) -> Assembled:
        """Writes the object: `frame` says all about the transcript but its text and segments."""
        self._segments.flush()
        path = self._folder / "transcript"
        head, tail = around_segments(replace(frame, text=" ".join(self._texts)))
        with open_private(path, "xb") as target, (self._folder / "segments").open("rb") as segments:
            target.write(head)
            shutil.copyfileobj(segments, target, COPY_BYTES)
            target.write(tail)
        with path.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        return Assembled(path, digest, self._word_count)
