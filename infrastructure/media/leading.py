"""Recordings behind junk or unused space, as recorders that were broken off and damaged disks leave them.

FFmpeg looks past it for raw frames alone, and takes other things for such.
"""

import os
import re
from collections.abc import Iterator
from typing import Final

from infrastructure.media.spans import Spans, read_at
from infrastructure.media.tails import is_junk

LOOKED_AT_BYTES: Final = 4 << 20
LEADING_BYTES_MIN: Final = 4096
"""Fewer may be the head of an archive."""
_SIGNS: Final = re.compile(
    rb"fLaC\0\0\0\x22"
    rb"|OggS\0\x02\0\0"
    rb"|\x1a\x45\xdf\xa3.{1,48}?(?:webm|matroska)"
    rb"|(?:RIFF|RF64|BW64).{4}(?:WAVE|AVI )"
    rb"|riff\x2e\x91\xcf\x11\xa5\xd6"
    rb"|\0\0..ftyp"
    rb"|FORM.{4}AIF[FC]"
    rb"|caff\0\x01\0\0"
    rb"|\.snd\0\0"
    rb"|#!AMR(?:-WB)?\n"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11"
    rb"|FLV\x01[\x01\x04\x05]\0\0\0"
    rb"|wvpk.{4}[\x02-\x10]\x04"
    rb"|TTA1[\x01\x02]\0"
    rb"|\.RMF\0\0\0",
    re.DOTALL,
)
_TABLE: Final = b"\x47\x40\0"
"""The packet of MPEG-TS that all others are found by (ISO/IEC 13818-1, 2.4.4.3)."""
_PACKET_BYTES: Final = {188: 0, 192: 4, 204: 0}
"""How long they are, and how much of each comes before its sign."""
_PACKETS_SEEN: Final = 20


def source_behind_junk(descriptor: int) -> Spans | None:
    """None where the file begins at once, or with something that is no junk."""
    if not is_junk(descriptor, 0, LEADING_BYTES_MIN):
        return None
    content = read_at(descriptor, LOOKED_AT_BYTES, 0)
    sign = _SIGNS.search(content)
    begin = min([*([sign.start()] if sign else []), *_streams(content)], default=0)
    if begin < LEADING_BYTES_MIN or not is_junk(descriptor, 0, begin):
        return None
    return Spans(descriptor, b"", [(begin, os.fstat(descriptor).st_size)])


def _streams(content: bytes) -> Iterator[int]:
    """Where packets of MPEG-TS begin."""
    at = content.find(_TABLE)
    while at >= 0:
        for length, before in _PACKET_BYTES.items():
            seen = content[at : at + _PACKETS_SEEN * length : length]
            if len(seen) == seen.count(_TABLE[:1]) == _PACKETS_SEEN:
                yield _first_packet(content, at, length) - before
                return
        at = content.find(_TABLE, at + 1)


def _first_packet(content: bytes, at: int, length: int) -> int:
    while at >= length and content[at - length] == _TABLE[0]:
        at -= length
    return at
