"""What a container says that it holds, where it says so itself: the one witness that a file was cut off."""

import os
import struct
from pathlib import Path
from typing import Final, NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer

from infrastructure.media.spans import id3_bytes
from infrastructure.media.unsized import told_share
from infrastructure.media.wav import STREAMING_SIZE_MIN, Waves, survey
from infrastructure.media.whole import missing_share

MICROSECONDS: Final = 1_000_000
_BY_STREAM: Final = frozenset(
    {
        *(
            "flac",
            "mov",
            "aiff",
            "caf",
            "au",
            "w64",
            "tta",
            "tak",
            "wv",
            "ape",
            "mpc",
            "mpc8",
            "dsf",
            "iff",
            "voc",
        )
    }
)
"""The header says how long the sound is."""
_BY_SIZE: Final = frozenset({"caf", "w64"})
"""Of these FFmpeg says how long PCM would be if all of the file were sound."""
_BY_CONTAINER: Final = frozenset({"mov", "matroska", "asf", "avi", "flv"})
"""The header says how long the longest of sound and pictures is."""
_SIDE_INFORMATION: Final = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}
"""Bytes between an MPEG frame's header and its Xing tag: by whether it is MPEG-1, and whether it is mono."""
_SYNC: Final = 0xE0


def name_of(container: InputContainer) -> str:
    return container.format.name.partition(",")[0]


def claimed_stream_seconds(container: InputContainer, stream: AudioStream, path: Path) -> float | None:
    """How long its header says the sound is, or None where it says nothing or makes it up."""
    if name_of(container) == "mp3":
        tag = _mp3_tag(path)
        # A count of frames is a lie where the count of bytes is kept.
        return None if tag is None or (tag.length and tag.bytes_there >= tag.length) else tag.seconds
    if name_of(container) not in _BY_STREAM or stream.duration is None or stream.time_base is None:
        return None
    seconds = float(stream.duration * stream.time_base)
    context = stream.codec_context
    if name_of(container) in _BY_SIZE and context.name.startswith("pcm"):
        share = told_share(path)
        return None if share is None else seconds * share
    bits = seconds * context.sample_rate * context.channels * 8
    streaming = context.name.startswith("pcm") and bits / 8 >= STREAMING_SIZE_MIN > path.stat().st_size
    return None if streaming else seconds


def claimed_longest_seconds(container: InputContainer) -> float | None:
    """How long its header says the longest stream is."""
    if name_of(container) not in _BY_CONTAINER or container.duration is None:
        return None
    return container.duration / MICROSECONDS


def counted_seconds(container: InputContainer, stream: AudioStream, path: Path) -> float | None:
    """The same for a format whose frames are counted, not believed but as the most that can be missing in it."""
    if name_of(container) == "mp3":
        tag = _mp3_tag(path)
        return None if tag is None else tag.seconds
    return claimed_stream_seconds(container, stream, path)


def missing_seconds(container: InputContainer, path: Path, length: float) -> float:
    """What the container says beyond the file's end, in bytes, by those that last so long."""
    name = name_of(container)
    waves = _waves(path) if name == "wav" else None
    if waves is None:
        return missing_share(path, name) * length
    if waves.bytes_per_second:
        return waves.missing_bytes / waves.bytes_per_second
    return waves.missing_bytes / max(1, waves.bytes_there) * length


def _waves(path: Path) -> Waves | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return survey(descriptor)
    finally:
        os.close(descriptor)


class Mp3Tag(NamedTuple):
    seconds: float
    length: int
    """Of the frames, in bytes; 0 where the tag does not say."""
    bytes_there: int


def _mp3_tag(path: Path) -> Mp3Tag | None:
    """The Xing, Info or VBRI tag in the first frame, which follows ID3v2 tags if there are any."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        start = id3_bytes(descriptor)
        tag = _tag_of(os.pread(descriptor, 4096, start))
        return None if tag is None else Mp3Tag(*tag, os.fstat(descriptor).st_size - start)
    finally:
        os.close(descriptor)


def _tag_of(frame: bytes) -> tuple[float, int] | None:
    """Seconds and bytes that the first frame's tag counts; 0 bytes where it does not count them."""
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & _SYNC != _SYNC:
        return None
    version, rate_index = frame[1] >> 3 & 3, frame[2] >> 2 & 3
    if version == 1 or rate_index == 3:
        return None
    rate = (44_100, 48_000, 32_000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 1152 if version == 3 else 576
    at = 4 + _SIDE_INFORMATION[version == 3, frame[3] >> 6 == 3]
    counted = _xing(frame[at:]) or _vbri(frame[36:])
    return (counted[0] * samples / rate, counted[1]) if counted else None


def _xing(tag: bytes) -> tuple[int, int] | None:
    if tag[:4] not in (b"Xing", b"Info"):
        return None
    flags, first, second = struct.unpack(">3I", tag[4:16])
    if not flags & 1:
        return None
    return first, second if flags & 2 else 0


def _vbri(tag: bytes) -> tuple[int, int] | None:
    if tag[:4] != b"VBRI":
        return None
    length, frames = struct.unpack(">2I", tag[10:18])
    return frames, length


def crc16(frame: bytes) -> int:
    """Of a FLAC frame with its checksum at its end: 0 if it is whole (polynomial x^16 + x^15 + x^2 + 1)."""
    register = 0
    for byte in frame:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x8005 if register & 0x8000 else 0)) & 0xFFFF
    return register
