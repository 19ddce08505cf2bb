"""What stands in a raw stream in place of sound: frames that were overwritten, which count, and tags, which do not."""

import os
from pathlib import Path
from typing import Final

FRAME_BYTES_MAX: Final = {"mp3": 2881, "ac3": 3840, "eac3": 4096, "loas": 8194, "dts": 16_384}
"""By container: no frame is longer. What FFmpeg cannot make out it hands over as one longer packet.

The longest MPEG frame is of layer II, 384 kbit/s at 32 kHz, with padding: 1729 bytes; free format has a little more.
"""
SKIPPED: Final = frozenset({"aac"})
"""Containers of which FFmpeg passes over in silence what it cannot make out."""
WINDOW_BYTES: Final = 1 << 20
_ID3_BYTES: Final = 10
_APE_BYTES: Final = 32


class Tags:
    """Tags in the middle of a stream, where files were joined (ID3v2, APEv2): pictures, mostly."""

    def __init__(self) -> None:
        self._end = 0

    def sound_bytes(self, junk: bytes, begin: int) -> int:
        """How many of these bytes, which begin there in the file, belong to no tag."""
        at = sound = 0
        while at < len(junk):
            if begin + at < self._end:
                at = min(len(junk), self._end - begin)
                continue
            tag = _first_tag(junk, at)
            sound += (len(junk) if tag is None else tag[0]) - at
            if tag is None:
                break
            at, self._end = tag[0], begin + sum(tag)
        return sound


def _first_tag(junk: bytes, at: int) -> tuple[int, int] | None:
    """Where it begins and how long it is."""
    found = [
        tag for tag in (_id3(junk, junk.find(b"ID3", at)), _ape(junk, junk.find(b"APETAGEX", at))) if tag
    ]
    return min(found, default=None)


def _id3(junk: bytes, at: int) -> tuple[int, int] | None:
    head = junk[at : at + _ID3_BYTES] if at >= 0 else b""
    if len(head) < _ID3_BYTES or head[3] > 4 or max(head[6:]) > 0x7F:
        return None
    return at, _ID3_BYTES + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def _ape(junk: bytes, at: int) -> tuple[int, int] | None:
    head = junk[at : at + _APE_BYTES] if at >= 0 else b""
    return (at, _APE_BYTES + int.from_bytes(head[12:16], "little")) if len(head) == _APE_BYTES else None


class Follower:
    """Finds each packet of a raw stream again in its file, and so what was passed over before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._tags = Tags()
        self._window = b""
        self._begin = 0
        self._at: int | None = 0

    def passed_over(self, packet: bytes) -> int:
        """How many bytes before it, without tags. Packets are given in order."""
        before = self._at
        if before is None:
            return 0
        found = self._find(packet, before)
        self._at = None if found is None else found + len(packet)
        return 0 if found is None or found == before else self._sound_between(before, found)

    def _find(self, packet: bytes, at: int) -> int | None:
        """None where FFmpeg has made something else of it."""
        while True:
            if not self._begin <= at <= self._begin + len(self._window) - len(packet):
                self._window, self._begin = self._read(at, WINDOW_BYTES + len(packet)), at
            found = self._window.find(packet, at - self._begin)
            if found >= 0:
                return self._begin + found
            if self._begin + len(self._window) >= self._size:
                return None
            at = self._begin + len(self._window) - len(packet) + 1

    def _sound_between(self, begin: int, end: int) -> int:
        return sum(
            self._tags.sound_bytes(self._read(at, min(WINDOW_BYTES, end - at)), at)
            for at in range(begin, end, WINDOW_BYTES)
        )

    def _read(self, begin: int, count: int) -> bytes:
        with self._path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), count, begin)
