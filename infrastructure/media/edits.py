"""Edit lists of MP4 and QuickTime files (ISO/IEC 14496-12, 8.6.6): what of a track is played, and when.

FFmpeg plays nothing of an edit whose length 0 means all the rest, and the beginning once more where a pause is meant.
"""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from infrastructure.media.spans import Spans, read_at

BOXES_MAX: Final = 500_000
INNER_BOXES_MAX: Final = 1_000
TRACKS_MAX: Final = 100
EDITS_MAX: Final = 1_000
_SIGNS: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_PAUSE: Final = -1
_BEYOND: Final = 0x7FFF_FFFF
"""A time in the track at which nothing is left: FFmpeg makes a pause of it."""
_ALL: Final = 0xFFFF_FFFF


class Box(NamedTuple):
    name: bytes
    begin: int
    """Of what it holds."""
    end: int


class Edit(NamedTuple):
    at: int
    """Where in the file it stands."""
    form: str
    duration: int
    media_time: int

    @property
    def is_pause(self) -> bool:
        return self.media_time == _PAUSE


def patched_source(descriptor: int) -> Spans | None:
    """None where FFmpeg plays every edit as it is meant."""
    patches: dict[int, bytes] = {}
    for edits in _edits_of(descriptor).values():
        patches.update(_patches(edits))
    size = os.fstat(descriptor).st_size
    return Spans(descriptor, b"", [(0, size)], patches) if patches else None


def begins_with_pause(path: Path, track: int) -> bool:
    edits = _listed(path, track)
    return bool(edits) and edits[0].is_pause


def _listed(path: Path, track: int) -> Sequence[Edit]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _edits_of(descriptor).get(track, ())
    finally:
        os.close(descriptor)


def _patches(edits: Sequence[Edit]) -> Iterator[tuple[int, bytes]]:
    is_played = False
    for number, edit in enumerate(edits, 1):
        if edit.is_pause and is_played:
            yield edit.at, struct.pack(edit.form, edit.duration, _BEYOND)
        elif not edit.is_pause and not edit.duration and number == len(edits):
            yield edit.at, struct.pack(edit.form, _ALL, edit.media_time)
        is_played |= not edit.is_pause


def _edits_of(descriptor: int) -> Mapping[int, Sequence[Edit]]:
    """By track id; those of the first index, as FFmpeg reads it."""
    if read_at(descriptor, 8, 0)[4:] not in _SIGNS:
        return {}
    size = os.fstat(descriptor).st_size
    moov = _first(descriptor, b"moov", 0, size, BOXES_MAX)
    if moov is None:
        return {}
    inner = _boxes(descriptor, moov.begin, moov.end, INNER_BOXES_MAX)
    tracks = islice((box for box in inner if box.name == b"trak"), TRACKS_MAX)
    return {_track_id(descriptor, track): _track_edits(descriptor, track) for track in tracks}


def _boxes(descriptor: int, at: int, end: int, count_max: int) -> Iterator[Box]:
    for _ in range(count_max):
        head = read_at(descriptor, 16, at)
        if at + 8 > end or len(head) < 8:
            return
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        begin = at + (16 if length == 1 else 8)
        if length < 8:
            length = int.from_bytes(head[8:], "big") if length == 1 else end - at
        if length < begin - at:
            return
        at += length
        yield Box(name, begin, min(at, end))


def _first(
    descriptor: int, name: bytes, begin: int, end: int, count_max: int = INNER_BOXES_MAX
) -> Box | None:
    return next((box for box in _boxes(descriptor, begin, end, count_max) if box.name == name), None)


def _track_id(descriptor: int, track: Box) -> int:
    head = _first(descriptor, b"tkhd", track.begin, track.end)
    if head is None:
        return 0
    content = read_at(descriptor, 24, head.begin)
    return int.from_bytes(content[20:24] if content[:1] == b"\1" else content[12:16], "big")


def _track_edits(descriptor: int, track: Box) -> Sequence[Edit]:
    outer = _first(descriptor, b"edts", track.begin, track.end)
    inner = _first(descriptor, b"elst", outer.begin, outer.end) if outer else None
    if inner is None:
        return ()
    head = read_at(descriptor, 8, inner.begin)
    form, length = (">Qq", 20) if head[:1] == b"\1" else (">Ii", 12)
    count = min(int.from_bytes(head[4:], "big"), (inner.end - inner.begin - 8) // length, EDITS_MAX)
    content = read_at(descriptor, count * length, inner.begin + 8)
    return [
        Edit(inner.begin + 8 + at, form, *struct.unpack_from(form, content, at))
        for at in range(0, len(content) - length + 1, length)
    ]
