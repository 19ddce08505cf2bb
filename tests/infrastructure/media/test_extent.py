"""Packets add up to the sound there is, whatever their container says about them."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from infrastructure.media.extent import PacketTrack, tolerance_seconds

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
