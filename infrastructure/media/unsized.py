"""AIFF, CAF, W64 and AU files whose heads do not say how long the sound is, read with true sizes in them.

Programs that write into a pipe leave 0 or the largest number there is; others stop half-way, or set space aside.
"""

import os
import struct
from pathlib import Path
from typing import Final, NamedTuple, cast

from infrastructure.media.spans import Spans, read_at
from infrastructure.media.tails import is_no_sound

UNKNOWN_MIN: Final = 0x7F00_0000
"""SoX writes this, FFmpeg 0, others what is above."""
CHUNKS_MAX: Final = 10_000
_LONG_UNKNOWN_MIN: Final = 1 << 62
_W64_GUID_END: Final = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_AU_UNKNOWN: Final = 0xFFFF_FFFF
_CAF_UNKNOWN: Final = -1


class Chunk(NamedTuple):
    """The one with the sound: where its head is, how long that is, and how long what follows is by its own word."""

    at: int
    head_bytes: int
    told: int

    @property
    def begin(self) -> int:
        return self.at + self.head_bytes


def sized_source(descriptor: int) -> Spans | None:
    """None where the sizes are true, or nobody can tell."""
    size = os.fstat(descriptor).st_size
    start = read_at(descriptor, 16, 0)
    match start[:4], start[8:12]:
        case b"FORM", b"AIFF" | b"AIFC":
            head = _aiff(descriptor, size)
        case b"riff", _:
            head = _w64(descriptor, size)
        case b"caff", _:
            return _caf(descriptor, size)
        case b".snd", _:
            return _au(descriptor, start, size)
        case _:
            return None
    return Spans(descriptor, head, [(len(head), size)]) if head else None


def told_share(path: Path) -> float | None:
    """Of all that follows the head of a CAF or W64 file, how much it says is sound; None where it does not say.

    FFmpeg takes all of it for sound when it tells how long that is.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        start = read_at(descriptor, 4, 0)
        chunk = _w64_sound(descriptor) if start == b"riff" else _caf_sound(descriptor)
    finally:
        os.close(descriptor)
    if chunk is None or not 0 < chunk.told < _LONG_UNKNOWN_MIN:
        return None
    return chunk.told / max(1, size - chunk.begin)


def _is_unknown(told: int, there: int) -> bool:
    return not told or (told >= UNKNOWN_MIN and told > there)


def _goes_on(descriptor: int, end: int, size: int, *, is_last: bool) -> bool:
    """Whether what follows the sound is more of it: the file says that there is more, and no other chunk nor what is no sound."""
    return end < size and not is_last and not is_no_sound(descriptor, end, size)


def _is_name(descriptor: int, at: int) -> bool:
    name = read_at(descriptor, 4, at)
    return len(name) < 4 or (name.isascii() and name.decode().isprintable())


def _aiff(descriptor: int, size: int) -> bytes | None:
    """What describes the sound comes before it wherever a program could not go back."""
    at, form = 12, None
    for _ in range(CHUNKS_MAX):
        head = read_at(descriptor, 8, at)
        if len(head) < 8:
            return None
        name, length = cast("tuple[bytes, int]", struct.unpack(">4sI", head))
        if name == b"SSND":
            return _aiff_told(descriptor, size, Chunk(at, 16, length), form) if form else None
        form = at + 8 if name == b"COMM" else form
        at += 8 + length + (length & 1)
    return None


def _aiff_told(descriptor: int, size: int, sound: Chunk, form: int) -> bytes | None:
    told = bytearray(read_at(descriptor, sound.begin, 0))
    channels, frames, bits = cast("tuple[int, int, int]", struct.unpack_from(">HIH", told, form))
    block, there = channels * -(-bits // 8), size - sound.begin
    end = sound.at + 8 + sound.told + (sound.told & 1)
    is_last = 8 + int.from_bytes(told[4:8], "big") <= end or _is_name(descriptor, end)
    is_open = _is_unknown(sound.told, there) or _goes_on(descriptor, end, size, is_last=is_last)
    if not block or not (is_open or _is_unknown(frames, there // block) or told[4:8] == bytes(4)):
        return None
    if is_open:
        struct.pack_into(">I", told, sound.at + 4, min(there + 8, 0xFFFF_FFFF))
        struct.pack_into(">I", told, form + 2, min(there // block, 0xFFFF_FFFF))
    elif _is_unknown(frames, there // block):
        struct.pack_into(">I", told, form + 2, (sound.told - 8) // block)
    struct.pack_into(">I", told, 4, min(size - 8, 0xFFFF_FFFF))
    return bytes(told)


def _w64_sound(descriptor: int) -> Chunk | None:
    at = 40
    for _ in range(CHUNKS_MAX):
        head = read_at(descriptor, 24, at)
        length = int.from_bytes(head[16:], "little")
        if head[:16] == b"data" + _W64_GUID_END and len(head) == 24:
            return Chunk(at, 24, max(0, length - 24))
        if not 24 <= length < _LONG_UNKNOWN_MIN:
            return None
        at += -(-length // 8) * 8
    return None


def _w64(descriptor: int, size: int) -> bytes | None:
    sound = _w64_sound(descriptor)
    if sound is None:
        return None
    end = sound.begin + -(-sound.told // 8) * 8
    whole = int.from_bytes(read_at(descriptor, 8, 16), "little")
    is_last = whole <= end or read_at(descriptor, 16, end)[4:] == _W64_GUID_END
    if 0 < sound.told < _LONG_UNKNOWN_MIN and not _goes_on(descriptor, end, size, is_last=is_last):
        return None
    told = bytearray(read_at(descriptor, sound.begin, 0))
    struct.pack_into("<Q", told, 16, size)
    struct.pack_into("<Q", told, sound.at + 16, size - sound.at)
    return bytes(told)


def _caf_sound(descriptor: int) -> Chunk | None:
    at = 8
    for _ in range(CHUNKS_MAX):
        head = read_at(descriptor, 12, at)
        if len(head) < 12:
            return None
        name, length = cast("tuple[bytes, int]", struct.unpack(">4sq", head))
        if name == b"data":
            return Chunk(at, 12, length)
        if length < 0:
            return None
        at += 12 + length
    return None


def caf_bytes(descriptor: int) -> int | None:
    """What a CAF file says of itself, up to the end of its sound."""
    sound = _caf_sound(descriptor)
    return sound.begin + sound.told if sound is not None and 0 < sound.told < _LONG_UNKNOWN_MIN else None


def _caf(descriptor: int, size: int) -> Spans | None:
    """What follows the sound and is none would make FFmpeg think that there is more of it."""
    sound = _caf_sound(descriptor)
    if sound is None or sound.told < 0:
        return None
    end = sound.begin + sound.told
    if sound.told and (end >= size or _is_name(descriptor, end)):
        return None
    if sound.told and is_no_sound(descriptor, end, size):
        return Spans(descriptor, b"", [(0, end)])
    told = bytearray(read_at(descriptor, sound.begin, 0))
    struct.pack_into(">q", told, sound.at + 4, _CAF_UNKNOWN)
    return Spans(descriptor, bytes(told), [(len(told), size)])


def _au(descriptor: int, start: bytes, size: int) -> Spans | None:
    """FFmpeg reads to the end of the file, whatever is told."""
    begin, told = cast("tuple[int, int]", struct.unpack_from(">II", start, 4))
    if told == _AU_UNKNOWN:
        return None
    if _is_unknown(told, size - begin):
        head = start[:8] + struct.pack(">I", _AU_UNKNOWN) + start[12:]
        return Spans(descriptor, head, [(len(head), size)])
    end = begin + told
    return Spans(descriptor, b"", [(0, end)]) if end < size and is_no_sound(descriptor, end, size) else None
