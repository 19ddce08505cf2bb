"""Matroska and WebM files that were joined: their parts are heard as one where they hold the same kind of sound."""

import os
import re
from collections.abc import Iterator
from typing import Final

from infrastructure.media.spans import read_at
from infrastructure.media.whole import matroska_bytes

BLOCK_BYTES: Final = 1 << 20
PARTS_MAX: Final = 1_000
HEAD_BYTES: Final = 64 * 1024
_EBML: Final = re.compile(rb"\x1a\x45\xdf\xa3.{1,48}?(?:webm|matroska)", re.DOTALL)
_SIGN_BYTES: Final = 64
_TRACKS: Final = b"\x16\x54\xae\x6b"
_SOUND: Final = re.compile(
    rb"\x86[\x80-\x9f](A_[A-Z0-9_/]+)|\xb5(\x84.{4}|\x88.{8})|\x9f\x81(.)", re.DOTALL
)
"""RFC 9559, section 5.1.4: the codec of a track, its rate and its channels."""


def is_joined_of_kinds(descriptor: int, size: int) -> bool:
    """Whether a part holds other sound than the first, whose decoder FFmpeg uses for all."""
    parts = _parts(descriptor, size)
    first = _kind(descriptor, next(parts, 0))
    return any(_kind(descriptor, part) != first for part in parts)


def _parts(descriptor: int, size: int) -> Iterator[int]:
    """Where they begin: each where the one before ends by its own word, or where it is found."""
    at = 0
    for _ in range(PARTS_MAX):
        yield at
        told = matroska_bytes(read_at(descriptor, 4096, at))
        found = at + told if told else _found(descriptor, at + 1, size)
        if found is None or found >= size or not _EBML.match(read_at(descriptor, _SIGN_BYTES, found)):
            return
        at = found


def _found(descriptor: int, begin: int, size: int) -> int | None:
    for at in range(begin, size, BLOCK_BYTES):
        found = _EBML.search(os.pread(descriptor, BLOCK_BYTES + _SIGN_BYTES, at))
        if found:
            return at + found.start()
    return None


def _kind(descriptor: int, part: int) -> list[tuple[bytes, ...]]:
    head = read_at(descriptor, HEAD_BYTES, part)
    begin = max(0, head.find(_TRACKS))
    end = head.find(b"\x1f\x43\xb6\x75", begin)
    return _SOUND.findall(head[begin : end if end >= 0 else None])
