"""AMR files that were joined, or end in space that their recorder did not use, read as one recording (RFC 4867, section 5)."""

import os
from collections.abc import Iterator, Mapping
from typing import Final

from domain.media_errors import JoinedMedia
from infrastructure.media.spans import Spans

_SIGN: Final = b"#!AMR"
_FRAME_BYTES: Final[Mapping[bytes, bytes]] = {
    b"#!AMR\n": bytes((13, 14, 16, 18, 20, 21, 27, 32, 6, *[1] * 7)),
    b"#!AMR-WB\n": bytes((18, 24, 33, 37, 41, 47, 51, 59, 61, 6, *[1] * 6)),
}
"""What each band begins with, and how long its frames are, by the four bits of the first byte that say how it is coded."""
_MAGIC_BYTES_MAX: Final = 9
BLOCK_BYTES: Final = 1 << 20
WALKED_BYTES_MAX: Final = 64 << 20
"""Twelve hours and more."""
UNUSED_BYTES_MIN: Final = 1_000
"""Fewer at the end may be a frame of silence."""
_UNUSED: Final = b"\0\xff"
"""What disks and flash memory have where nothing was written."""


def amr_source(descriptor: int) -> Spans | None:
    """None where the file is no AMR, or FFmpeg reads it as it is. Raises JoinedMedia where narrow and wide band are in one."""
    magic = _magic_at(descriptor, 0)
    if magic is None:
        return None
    size = os.fstat(descriptor).st_size
    begins = list(_begins(descriptor, size))
    if any(_magic_at(descriptor, at) != magic for at in begins):
        raise JoinedMedia
    end = _end_of_sound(descriptor, size, begins[-1], magic)
    if len(begins) == 1 and end == size:
        return None
    spans = [(begin + len(magic), each) for begin, each in zip(begins, [*begins[1:], end], strict=True)]
    return Spans(descriptor, magic, [(begin, each) for begin, each in spans if begin < each])


def _magic_at(descriptor: int, at: int) -> bytes | None:
    head = os.pread(descriptor, _MAGIC_BYTES_MAX, at)
    return next((magic for magic in _FRAME_BYTES if head.startswith(magic)), None)


def _begins(descriptor: int, size: int) -> Iterator[int]:
    for at in range(0, size, BLOCK_BYTES):
        block = os.pread(descriptor, BLOCK_BYTES + len(_SIGN) - 1, at)
        found = block.find(_SIGN)
        while found >= 0:
            if _magic_at(descriptor, at + found):
                yield at + found
            found = block.find(_SIGN, found + 1)


def _end_of_sound(descriptor: int, size: int, begin: int, magic: bytes) -> int:
    """Of the last frame, which may itself end in what looks unused."""
    begin += len(magic)
    used = _end_of_use(descriptor, size)
    if used == size or not 0 < used - begin <= WALKED_BYTES_MAX:
        return used
    content, at = os.pread(descriptor, used - begin, begin), 0
    while at < len(content):
        at += _FRAME_BYTES[magic][content[at] >> 3 & 15]
    return begin + at


def _end_of_use(descriptor: int, size: int) -> int:
    for at in reversed(range(0, size, BLOCK_BYTES)):
        block = os.pread(descriptor, BLOCK_BYTES, at).rstrip(_UNUSED)
        if block:
            end = at + len(block)
            return size if size - end < UNUSED_BYTES_MIN else end
    return size
