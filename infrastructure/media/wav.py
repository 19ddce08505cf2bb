"""WAV files whose chunks do not say where the sound is, read as if they did.

FFmpeg reads one `data` chunk as long as it says. Recorders write sizes of zero, of half the sound, or two
chunks; people join files byte by byte; taggers put ID3 in front.
"""

import os
import struct
from typing import Final, cast

from msgspec import Struct

from domain.media_errors import JoinedMedia
from infrastructure.media.spans import id3_bytes
from infrastructure.media.tails import is_no_sound

STREAMING_SIZE_MIN: Final = 0x7FFF_0000
"""Sizes from here on are what programs write that do not know yet: 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF."""
CHUNKS_MAX: Final = 10_000
FORM_BYTES_MAX: Final = 4096
_HEAD: Final = struct.Struct("<4sI")


class Waves(Struct, kw_only=True):
    """Where the sound of a WAV file lies, in bytes from its beginning."""

    form: bytes = b""
    spans: list[tuple[int, int]] = []
    missing_bytes: int = 0
    """What a `data` chunk says beyond the end of the file."""
    is_odd: bool = False
    """Whether FFmpeg would read it otherwise."""
    long_size: int = 0
    """What a `ds64` chunk says of the sound (EBU 3306)."""

    @property
    def bytes_per_second(self) -> int:
        return int.from_bytes(self.form[8:12], "little")

    @property
    def bytes_there(self) -> int:
        return sum(end - begin for begin, end in self.spans)


def survey(descriptor: int) -> Waves | None:
    """None where the file is no WAV. Raises JoinedMedia where a part of another form follows."""
    size = os.fstat(descriptor).st_size
    at = id3_bytes(descriptor)
    if not _is_riff(os.pread(descriptor, 12, at)):
        return None
    waves = Waves(is_odd=at > 0)
    at += 12
    for _ in range(CHUNKS_MAX):
        if at + _HEAD.size > size:
            break
        at = _take_chunk(descriptor, at, size, waves)
    return waves if waves.form and waves.spans else None


def header_of(waves: Waves) -> bytes:
    """A header that is true of the spans joined."""
    told = min(waves.bytes_there, 0xFFFF_FFFF)
    form = waves.form + bytes(len(waves.form) & 1)
    body = b"WAVE" + _HEAD.pack(b"fmt ", len(waves.form)) + form + _HEAD.pack(b"data", told)
    return _HEAD.pack(b"RIFF", min(len(body) + told, 0xFFFF_FFFF)) + body


def _is_riff(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"


def _take_chunk(descriptor: int, at: int, size: int, waves: Waves) -> int:
    """Returns where the next chunk begins."""
    name, length = cast("tuple[bytes, int]", _HEAD.unpack(os.pread(descriptor, _HEAD.size, at)))
    if name in (b"RIFF", b"RF64", b"BW64") and _is_riff(os.pread(descriptor, 12, at)):
        waves.is_odd = True
        return at + 12
    begin = at + _HEAD.size
    match name:
        case b"data":
            return _take_sound(descriptor, begin, length, size, waves)
        case b"fmt ":
            _take_form(os.pread(descriptor, min(length, FORM_BYTES_MAX), begin), waves)
        case b"ds64":
            waves.long_size = int.from_bytes(os.pread(descriptor, 8, begin + 8), "little")
    return begin + length + (length & 1)


def _take_form(form: bytes, waves: Waves) -> None:
    if waves.form and form != waves.form:
        raise JoinedMedia
    waves.form = form


def _take_sound(descriptor: int, begin: int, length: int, size: int, waves: Waves) -> int:
    known = waves.long_size if length == 0xFFFF_FFFF and waves.long_size else length
    if length == 0xFFFF_FFFF and not waves.long_size:
        waves.is_odd = True
    end = begin + known
    streaming = known >= STREAMING_SIZE_MIN and known != waves.long_size
    if streaming or (end < size and not _is_chunk(descriptor, end + (known & 1), size)):
        waves.is_odd |= end < size
        end = size
    waves.missing_bytes += max(0, end - size)
    waves.is_odd |= bool(waves.spans)
    waves.spans = [*waves.spans, (begin, min(end, size))]
    return end + (end - begin & 1)


def _is_chunk(descriptor: int, at: int, size: int) -> bool:
    """Whether what follows the sound is a chunk, or nothing that counts: else it is more sound."""
    head = os.pread(descriptor, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return True
    name, length = _HEAD.unpack(head)
    fits = at + _HEAD.size + length <= size + 1 or name in (b"data", b"RIFF", b"RF64", b"BW64")
    return (fits and name.isascii() and name.decode().isprintable()) or is_no_sound(descriptor, at, size)
