"""Recordings joined byte by byte where a container holds one: FFmpeg reads the first and passes over the rest in silence."""

import os
import struct
from collections.abc import Callable, Mapping
from typing import Final, cast

from domain.media_errors import JoinedMedia
from infrastructure.media.matroska import is_joined_of_kinds
from infrastructure.media.spans import read_at
from infrastructure.media.whole import asf_bytes

PARTS_MAX: Final = 500_000
"""Boxes, chunks, tags or blocks that are walked over, which takes a second: those of two hours, in small pieces."""
_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_W64: Final = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_FRAGMENT_HEAD_BYTES: Final = 4096
_MP4_BOXES: Final = frozenset({b"moov", b"moof", b"mfra"})
_APE_HEAD_BYTES: Final = 32
_TTA_HEAD_BYTES: Final = 22
_REAL_SLACK_BYTES: Final = 16
_FLV_HEAD_BYTES: Final = 9
_FLV_TAG_BYTES: Final = 15


def require_single(descriptor: int) -> None:
    """Raises JoinedMedia where another recording of the same kind follows."""
    size = os.fstat(descriptor).st_size
    head = read_at(descriptor, 16, 0)
    for (at, sign), holds_more in _KINDS.items():
        if head[at : at + len(sign)] == sign and holds_more(descriptor, size):
            raise JoinedMedia


def _mp4(descriptor: int, size: int) -> bool:
    """One index for each; before the end of its fragments a recording may repeat it, but not begin its time anew."""
    seen: set[bytes] = set()
    at, is_repeated = 0, False
    for _ in range(PARTS_MAX):
        head = read_at(descriptor, 16, at)
        if len(head) < 16 or at >= size:
            return False
        length, name = cast("tuple[int, bytes]", struct.unpack_from(">I4s", head))
        if name == b"moov" and name in seen and (b"moof" not in seen or b"mfra" in seen):
            return True
        if name == b"moof" and is_repeated and _begins_anew(descriptor, at):
            return True
        is_repeated = name != b"moof" and (is_repeated or (name == b"moov" and name in seen))
        seen |= {name} & _MP4_BOXES
        at += int.from_bytes(head[8:], "big") if length == 1 else max(length, 8) if length else size
    return False


def _begins_anew(descriptor: int, fragment: int) -> bool:
    """Whether its first `tfdt` says 0 (ISO/IEC 14496-12, 8.8.12)."""
    content = read_at(descriptor, _FRAGMENT_HEAD_BYTES, fragment)
    at = content.find(b"tfdt")
    count = 8 if content[at + 4 : at + 5] == b"\1" else 4
    return at >= 0 and not any(content[at + 8 : at + 8 + count])


def _aiff(descriptor: int, size: int) -> bool:
    length = int.from_bytes(read_at(descriptor, 4, 4), "big")
    end = 8 + length + (length & 1)
    return end < size and read_at(descriptor, 4, end) == b"FORM"


def _caf(descriptor: int, _: int) -> bool:
    """Apple's specification: a head of 8 bytes, then chunks, each with a size of 8; the last may say -1."""
    at = 8
    for _ in range(PARTS_MAX):
        head = read_at(descriptor, 12, at)
        if len(head) < 12 or head[:4] == b"caff":
            return head[:4] == b"caff"
        (length,) = struct.unpack_from(">q", head, 4)
        if length < 0:
            return False
        at += 12 + length
    return False


def _w64(descriptor: int, size: int) -> bool:
    end = int.from_bytes(read_at(descriptor, 8, 16), "little")
    return end < size and read_at(descriptor, 16, -(-end // 8) * 8) == _W64


def _asf(descriptor: int, size: int) -> bool:
    end = asf_bytes(descriptor)
    return end is not None and end < size and read_at(descriptor, 16, end) == _ASF


def _flv(descriptor: int, _: int) -> bool:
    at = _FLV_HEAD_BYTES + 4
    for _ in range(PARTS_MAX):
        head = read_at(descriptor, 4, at)
        if len(head) < 4 or head[:3] == b"FLV":
            return head[:3] == b"FLV"
        at += _FLV_TAG_BYTES + int.from_bytes(head[1:], "big")
    return False


def _real(descriptor: int, _: int) -> bool:
    """Chunks, each with its name and its size in front; FFmpeg counts ten bytes too many of the one with the sound."""
    at = 0
    for _ in range(PARTS_MAX):
        head = read_at(descriptor, 8, at)
        length = int.from_bytes(head[4:], "big")
        if length < len(head) or len(head) < 8:
            return False
        at += length
        if b".RMF\0\0\0" in read_at(descriptor, 2 * _REAL_SLACK_BYTES, max(1, at - _REAL_SLACK_BYTES)):
            return True
    return False


def _tag_bytes(descriptor: int, at: int) -> int:
    """Of an APEv2 tag, which its head does not count."""
    head = read_at(descriptor, _APE_HEAD_BYTES, at)
    is_tag = head.startswith(b"APETAGEX") and len(head) == _APE_HEAD_BYTES
    return _APE_HEAD_BYTES + int.from_bytes(head[12:16], "little") if is_tag else 0


def _wavpack(descriptor: int, _: int) -> bool:
    """Blocks that say which sample is their first; each may have more blocks of other channels."""
    at = newest = 0
    for _ in range(PARTS_MAX):
        at += _tag_bytes(descriptor, at)
        head = read_at(descriptor, 20, at)
        if len(head) < 20 or not head.startswith(b"wvpk"):
            return False
        length, first = int.from_bytes(head[4:8], "little"), int.from_bytes(head[16:], "little")
        if first < newest:
            return True
        newest = first
        at += 8 + length
    return False


def _tta(descriptor: int, size: int) -> bool:
    """A table after the head says how long each frame is, of so many samples that it lasts 256/245 of a second."""
    head = read_at(descriptor, _TTA_HEAD_BYTES, 0)
    if len(head) < _TTA_HEAD_BYTES:
        return False
    rate, samples = struct.unpack_from("<II", head, 10)
    frames = -(-samples // max(1, 256 * rate // 245))
    table = read_at(descriptor, min(4 * frames, 4 * PARTS_MAX), _TTA_HEAD_BYTES)
    end = (
        _TTA_HEAD_BYTES
        + 4 * frames
        + 4
        + sum(each for (each,) in struct.iter_unpack("<I", table[: len(table) // 4 * 4]))
    )
    end += _tag_bytes(descriptor, end)
    return end < size and read_at(descriptor, 4, end) == b"TTA1"


_KINDS: Final[Mapping[tuple[int, bytes], Callable[[int, int], bool]]] = {
    **dict.fromkeys([(4, name) for name in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")], _mp4),
    (0, b"FORM"): _aiff,
    (0, b"caff"): _caf,
    (0, _W64): _w64,
    (0, _ASF): _asf,
    (0, b"FLV"): _flv,
    (0, b".RMF"): _real,
    (0, b"\x1a\x45\xdf\xa3"): is_joined_of_kinds,
    (0, b"wvpk"): _wavpack,
    (0, b"TTA1"): _tta,
}
"""By what stands where at the beginning."""
