"""Probe and decoder agree about every odd file: how long it is, and whether it is one that is heard at all."""

import io
import struct
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from domain.media_errors import UnreadableMedia
from infrastructure.media.answers import Decoded
from infrastructure.media.decode_child import decode
from infrastructure.media.extent import DECODED_SECONDS
from infrastructure.media.pcm import BYTES_PER_SECOND, LENGTH, LOST
from infrastructure.media.probe_child import examine
from infrastructure.media.timeline import tolerance_seconds
from tests.infrastructure.media.odd_files import EVERY
from tests.infrastructure.media.odd_times import Make

SECONDS_MAX: Final = 36_000.0
AGREEMENT_SECONDS: Final = 0.3
DECODED_SECONDS_MIN: Final = 0.5
"""After so little the probe counts packets, as it does after the first minute of a longer recording."""


class Heard(NamedTuple):
    told_seconds: float
    pcm_seconds: float


def probed(path: Path, decoded_seconds: float) -> float | str:
    """How long it is, or the code of its refusal."""
    try:
        return examine(path, SECONDS_MAX, decoded_seconds).duration_seconds
    except UnreadableMedia as refusal:
        return refusal.code


def decoded(path: Path, announced_seconds: float) -> Heard:
    output = io.BytesIO()
    answer = decode(path, announced_seconds + tolerance_seconds(announced_seconds), output)
    assert isinstance(answer, Decoded), answer
    assert 0 <= answer.lost_seconds <= answer.duration_seconds
    assert all(0 <= each.start_ms < each.end_ms for each in answer.damages)
    return Heard(answer.duration_seconds, _length(output.getvalue()) / BYTES_PER_SECOND)


def _length(blocks: bytes) -> int:
    at = length = 0
    while at < len(blocks):
        (block,) = struct.unpack_from(LENGTH, blocks, at)
        block &= ~LOST
        at += struct.calcsize(LENGTH) + block
        length += block
    return length


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in EVERY.items()])
def test_the_probe_tells_by_frames_and_by_packets_what_the_decoder_gives(
    make: Make, tmp_path: Path
) -> None:
    path = make(tmp_path / "media")
    by_frames, by_packets = (probed(path, seconds) for seconds in (DECODED_SECONDS, DECODED_SECONDS_MIN))
    if isinstance(by_frames, str):
        assert by_packets == by_frames
        return
    heard = decoded(path, by_frames)
    assert heard.told_seconds == pytest.approx(by_frames, abs=AGREEMENT_SECONDS)
    assert heard.told_seconds == pytest.approx(by_packets, abs=AGREEMENT_SECONDS)
    assert heard.pcm_seconds == pytest.approx(heard.told_seconds, abs=AGREEMENT_SECONDS)
