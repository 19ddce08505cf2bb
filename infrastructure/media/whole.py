"""Whether a file is as long as its container says in bytes: then no count of seconds makes it cut off."""

import os
from pathlib import Path
from typing import Final

from infrastructure.media.spans import read_at
from infrastructure.media.unsized import UNKNOWN_MIN, caf_bytes

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_ASF_FILE_PROPERTIES: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_BROADCAST: Final = tuple(bytes((flags,)) for flags in range(1, 256, 2))
_REAL_CHUNKS_MAX: Final = 1_000
_REAL_SLACK_BYTES: Final = 16
"""FFmpeg counts ten bytes too many."""
_ASF_HEAD_BYTES: Final = 64 * 1024


def is_whole(path: Path, container: str) -> bool:
    """False where the container does not say, or is open-ended."""
    told = _told(path, container)
    return told is not None and told <= path.stat().st_size


def missing_share(path: Path, container: str) -> float:
    """How much more it says than there is, of what there is."""
    told, size = _told(path, container), path.stat().st_size
    if told is None or size < told >= UNKNOWN_MIN:
        return 0.0
    return max(0, told - size) / max(1, size)


def _told(path: Path, container: str) -> int | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _told_bytes(descriptor, container)
    finally:
        os.close(descriptor)


def _told_bytes(descriptor: int, container: str) -> int | None:
    match container:
        case "avi":
            head = os.pread(descriptor, 8, 0)
            riff = int.from_bytes(head[4:], "little")
            return riff + 8 if riff else None
        case "asf":
            return asf_bytes(descriptor)
        case "caf":
            return caf_bytes(descriptor)
        case "rm":
            return _real_bytes(descriptor)
        case "matroska":
            return matroska_bytes(os.pread(descriptor, 4096, 0))
        case _:
            return None


def asf_bytes(descriptor: int) -> int | None:
    """ASF specification, section 3.2: its size, a file id, then this; not in a broadcast, as its flags say."""
    head = os.pread(descriptor, _ASF_HEAD_BYTES, 0)
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or head[at + 88 : at + 89] in (b"", *_ASF_BROADCAST):
        return None
    return int.from_bytes(head[at + 40 : at + 48], "little") or None


def _real_bytes(descriptor: int) -> int | None:
    """Chunks, each with its name and its size in front, up to the one with the sound."""
    at = 0
    for _ in range(_REAL_CHUNKS_MAX):
        head = read_at(descriptor, 8, at)
        length = int.from_bytes(head[4:], "big")
        if length < len(head) or len(head) < 8:
            return None
        at += length
        if head.startswith(b"DATA"):
            return at - _REAL_SLACK_BYTES
    return None


def matroska_bytes(head: bytes) -> int | None:
    """RFC 8794, section 4: an id and a size, each as long as its leading zeros say; all ones is unknown."""
    if not head.startswith(_EBML):
        return None
    length, at = _size(head, 4)
    if length is None or head[at + length : at + length + 4] != _SEGMENT:
        return None
    segment, begin = _size(head, at + length + 4)
    return None if segment is None else begin + segment


def _size(head: bytes, at: int) -> tuple[int | None, int]:
    """The size, None where it is unknown, and where what it measures begins."""
    if at >= len(head) or not head[at]:
        return None, at
    count = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + count], "big") & ((1 << 7 * count) - 1)
    return (None if value == (1 << 7 * count) - 1 else value), at + count
