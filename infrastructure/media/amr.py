"""AMR files that were joined, or end in what is no sound, read as one recording (RFC 4867, section 5)."""

import os
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from domain.media_errors import JoinedMedia
from infrastructure.media.spans import Spans
from infrastructure.media.tails import BLANKS

Lengths: TypeAlias = npt.NDArray[np.int32]
_SIGN: Final = b"#!AMR"
_FRAME_BYTES: Final[Mapping[bytes, bytes]] = {
    b"#!AMR\n": bytes((13, 14, 16, 18, 20, 21, 27, 32, 6, *[1] * 7)),
    b"#!AMR-WB\n": bytes((18, 24, 33, 37, 41, 47, 51, 59, 61, 6, *[1] * 6)),
}
"""What each band begins with, and how long its frames are, by the four bits of the first byte that say how it is coded."""
_NOT_CODED: Final[Mapping[bytes, range]] = {b"#!AMR\n": range(9, 15), b"#!AMR-WB\n": range(10, 14)}
"""What these four bits never are."""
_NO_BITS: Final = 0x83
"""Bits of the first byte that no frame has set."""
RUN_FRAMES: Final = 10
"""So many one after the other are no chance: of random bytes every thirteenth looks like the head of a frame."""
_FRAME_BYTES_MAX: Final = 61
_MAGIC_BYTES_MAX: Final = 9
BLOCK_BYTES: Final = 1 << 20
PARTS_MAX: Final = 100
"""Of more joined ones only the last is looked at for what follows its sound."""
BLOCKS_MAX: Final = 64
"""Twelve hours and more: what is longer is read as it is."""
UNUSED_BYTES_MIN: Final = 1_000
"""Fewer at the end may be a frame of silence."""


def amr_source(descriptor: int) -> Spans | None:
    """None where the file is no AMR, or FFmpeg reads it as it is. Raises JoinedMedia where narrow and wide band are in one."""
    magic = _magic_at(descriptor, 0)
    if magic is None:
        return None
    size = os.fstat(descriptor).st_size
    begins = list(_begins(descriptor, size))
    if any(_magic_at(descriptor, at) != magic for at in begins):
        raise JoinedMedia
    ends = [*begins[1:], size]
    looked_at = begins if len(begins) <= PARTS_MAX else begins[-1:]
    ends[-len(looked_at) :] = [
        _end_of_sound(descriptor, end, begin, magic)
        for begin, end in zip(looked_at, ends[-len(looked_at) :], strict=True)
    ]
    if ends == [size]:
        return None
    spans = [(begin + len(magic), each) for begin, each in zip(begins, ends, strict=True)]
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
    lengths = _lengths(magic)
    begin += len(magic)
    used = _end_of_use(descriptor, size)
    if used - begin > BLOCKS_MAX * BLOCK_BYTES:
        return used
    for at in reversed(range(begin, used, BLOCK_BYTES)):
        content = os.pread(descriptor, BLOCK_BYTES + RUN_FRAMES * _FRAME_BYTES_MAX, at)
        run = _last_run(content[: used - at], lengths)
        if run is not None:
            return min(size, _end_of_frames(descriptor, used, at + run, lengths))
    end = min(size, _end_of_frames(descriptor, used, begin, lengths))
    return end if end > begin else used


def _lengths(magic: bytes) -> Lengths:
    """Of a frame, by its first byte; 0 where none begins so."""
    return np.array(
        [
            0 if byte & _NO_BITS or byte >> 3 in _NOT_CODED[magic] else _FRAME_BYTES[magic][byte >> 3]
            for byte in range(256)
        ],
        dtype=np.int32,
    )


def _last_run(content: bytes, lengths: Lengths) -> int | None:
    """Where the last frame begins after which as many follow as are no chance."""
    steps = np.append(lengths[np.frombuffer(content, np.uint8)], 0)
    at = np.arange(len(content))
    is_run = np.ones(len(content), dtype=bool)
    for _ in range(RUN_FRAMES):
        is_run &= steps[at] > 0
        at = np.minimum(at + steps[at], len(content))
    found = np.flatnonzero(is_run)
    return int(found[-1]) if found.size else None


def _end_of_frames(descriptor: int, used: int, begin: int, lengths: Lengths) -> int:
    """Of those that begin where the file is in use; the last may end later."""
    content = os.pread(descriptor, max(0, min(2 * RUN_FRAMES * _FRAME_BYTES_MAX, used - begin)), begin)
    at = 0
    while at < len(content) and lengths[content[at]]:
        at += int(lengths[content[at]])
    return begin + at


def _end_of_use(descriptor: int, size: int) -> int:
    for at in reversed(range(0, size, BLOCK_BYTES)):
        block = os.pread(descriptor, min(BLOCK_BYTES, size - at), at).rstrip(BLANKS)
        if block:
            end = at + len(block)
            return size if size - end < UNUSED_BYTES_MIN else end
    return size
