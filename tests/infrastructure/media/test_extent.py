"""Packets add up to the sound there is, whatever their container says about them."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import MediaTooLong
from infrastructure.media.extent import PacketTrack, measure, tolerance_seconds
from infrastructure.media.formats import audio_stream, open_media
from tests.infrastructure.media.recordings import ADTS, WEBM, slow_wav, write_recording

MS = Fraction(1, 1000)


def track(*packets: tuple[int | None, int | None]) -> PacketTrack:
    """Packets as (pts, duration) in milliseconds."""
    made = PacketTrack(MS)
    for pts, duration in packets:
        made.add(pts, duration)
    return made


@given(st.lists(st.integers(1, 400), min_size=1, max_size=50), st.integers(0, 10_000))
def test_packets_one_after_the_other_last_as_long_as_all_of_them(durations: list[int], first: int) -> None:
    starts = [first + sum(durations[:number]) for number in range(len(durations))]
    made = track(*zip(starts, durations, strict=True))
    assert made.readable_seconds == sum(durations) * MS
    assert made.end_seconds - made.start_seconds == sum(durations) * MS


def test_packets_without_a_duration_last_until_the_next_one() -> None:
    assert track((0, None), (23, None), (46, 0), (70, None)).readable_seconds == 70 * MS


def test_durations_that_were_rounded_are_set_right_by_the_next_packet() -> None:
    assert track((0, 23), (24, 23), (47, 23), (71, 23)).readable_seconds == (71 + 23) * MS


def test_a_hole_is_not_readable() -> None:
    made = track((0, 20), (20, 20), (5_000, 20))
    assert made.readable_seconds == 60 * MS
    assert made.end_seconds == 5_020 * MS


def test_packets_without_times_have_their_durations() -> None:
    assert track((None, 20), (None, 20), (None, None)).readable_seconds == 40 * MS


def test_times_that_run_backwards_are_not_sound() -> None:
    assert track((100, 20), (50, 20), (70, 20)).readable_seconds == 60 * MS


def test_the_tolerance_grows_with_the_length_but_not_for_ever() -> None:
    assert tolerance_seconds(3.0) < 1.0
    assert tolerance_seconds(600.0) < 10.0
    assert tolerance_seconds(36_000.0) == 10.0


class Counted:
    """A container that says how many packets were read from it."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self.packets = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def demux(self) -> Iterator[Any]:
        for packet in self._container.demux():
            self.packets += 1
            yield packet


def packets_read(path: Path, seconds_max: float) -> int:
    """Until the recording was found too long."""
    with open_media(path) as container:
        counted = Counted(container)
        with pytest.raises(MediaTooLong):
            measure(counted, audio_stream(container), path, seconds_max)  # type: ignore[arg-type]  # it passes for one
        return counted.packets


def test_a_recording_that_claims_to_be_too_long_is_believed_and_not_counted(tmp_path: Path) -> None:
    assert packets_read(slow_wav(tmp_path / "media", rate=1, seconds=1_500_000), 36_000) == 0
    assert packets_read(write_recording(tmp_path / "webm", WEBM, seconds=3.0), 2.0) == 0


def test_a_recording_that_claims_nothing_is_counted_only_until_it_is_too_long(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "media", ADTS, seconds=30.0)
    with open_media(path) as container:
        whole = sum(1 for _ in container.demux())
    assert 0 < packets_read(path, 3.0) < whole / 5
