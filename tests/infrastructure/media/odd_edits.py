"""Edit lists that say more than where a recording begins: row 1 of docs/odd-recordings.md."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.infrastructure.media.odd_times import Make, once
from tests.infrastructure.media.recordings import ALAC, M4A, Form

FRAGMENTS: Final = Form("mp4", "aac", options={"movflags": "empty_moov+default_base_moof"})
RATE: Final = 44_100
PAUSE: Final = -1


class Played(NamedTuple):
    edits: Sequence[tuple[int, int]]
    """How many milliseconds are played from which tick on."""
    seconds: float
    voices: Sequence[tuple[float, float]]
    """From when to when a voice is heard."""


ALL_THE_REST: Final = Played([(0, 0)], 5.5, [(1.0, 4.0)])
REST: Final = Played([(0, 3 * RATE // 2)], 4.0, [(0.0, 2.5)])
LATE: Final = Played([(2_000, PAUSE), (5_500, 0)], 7.5, [(3.0, 6.0)])
LATE_REST: Final = Played([(1_000, PAUSE), (0, 0)], 6.5, [(2.0, 5.0)])
PAUSED: Final = Played([(2_000, 0), (3_000, PAUSE), (3_500, 2 * RATE)], 8.5, [(1.0, 2.0), (5.0, 7.0)])
PIECES: Final = Played([(2_000, 0), (2_000, 3 * RATE)], 4.0, [(1.0, 3.0)])
_CASES: Final = (
    *((form, played) for form in (M4A, ALAC) for played in (ALL_THE_REST, REST, LATE, LATE_REST)),
    *((form, played) for form in (M4A, ALAC) for played in (PAUSED, PIECES)),
    *((FRAGMENTS, played) for played in (ALL_THE_REST, REST, LATE, LATE_REST)),
)


def played(form: Form, edits: Sequence[tuple[int, int]], *, version: int = 0) -> Make:
    """Its index stands after the sound, or knows no places in the file."""

    def make(path: Path) -> Path:
        content = bytearray(once(form, path).read_bytes())
        moov, trak = content.index(b"moov") - 4, content.index(b"trak") - 4
        at, old = _place(content, trak)
        new = _edit_box(edits, version)
        content[at : at + old] = new
        for box in (moov, trak):
            (length,) = struct.unpack_from(">I", content, box)
            struct.pack_into(">I", content, box, length + len(new) - old)
        path.write_bytes(content)
        return path

    return make


def _place(content: bytearray, trak: int) -> tuple[int, int]:
    """Of the edit list that is there, or of none after the head of the track."""
    at = content.find(b"edts") - 4
    if at >= 0:
        return at, int.from_bytes(content[at : at + 4], "big")
    return trak + 8 + int.from_bytes(content[trak + 8 : trak + 12], "big"), 0


def _edit_box(edits: Sequence[tuple[int, int]], version: int) -> bytes:
    form = ">QqI" if version else ">IiI"
    entries = b"".join(struct.pack(form, *edit, 1 << 16) for edit in edits)
    inner = struct.pack(">I4sII", 16 + len(entries), b"elst", version << 24, len(edits)) + entries
    return struct.pack(">I4s", 8 + len(inner), b"edts") + inner


EDITED: Final[Mapping[str, tuple[Make, Played]]] = {
    f"1-{form.container}-{form.codec}-{'-'.join(f'{length}@{begin}' for length, begin in case.edits)}-{version}": (
        played(form, case.edits, version=version),
        case,
    )
    for version in (0, 1)
    for form, case in _CASES
}
