"""Pieces of sound follow each other, whatever their clocks say."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.transcript import Damage
from infrastructure.media.extent import PacketClock
from infrastructure.media.timeline import DAMAGES_MAX, HOLE_SECONDS_MAX, Damages, Room, Timeline


def counted(*packets: tuple[float | None, float], timeline: Timeline | None = None) -> Timeline:
    """Packets as (begin, seconds)."""
    clock = PacketClock(timeline or Timeline())
    for begin, seconds in packets:
        clock.add(begin, seconds)
    clock.finish()
    return clock.timeline


@given(st.lists(st.floats(0.001, 0.4), min_size=1, max_size=50), st.floats(0, 10_000))
def test_packets_one_after_the_other_last_as_long_as_all_of_them(
    lengths: list[float], first: float
) -> None:
    starts = [first + sum(lengths[:number]) for number in range(len(lengths))]
    assert counted(*zip(starts, lengths, strict=True)).position == pytest.approx(sum(lengths))


def test_packets_without_a_duration_last_until_the_next_one() -> None:
    assert counted((0, 0), (0.023, 0), (0.046, 0), (0.07, 0)).position == pytest.approx(0.07)


@pytest.mark.parametrize("told", [0.023, 0.024])
def test_durations_that_were_rounded_are_set_right_by_the_next_packet(told: float) -> None:
    packets = [(round(at * 0.0232, 3), told) for at in range(1_000)]
    assert counted(*packets).position == pytest.approx(23.2, abs=0.01)


def test_a_hole_is_silence() -> None:
    timeline = Timeline()
    assert [timeline.place(begin, 1.0) for begin in (5.0, 6.0, 66.0)] == [0, 0, 59.0]
    assert timeline.position == 62.0
    assert timeline.damages.listed() == ()


@pytest.mark.parametrize("jump", [HOLE_SECONDS_MAX + 1, 90_000, -30_000, -5])
def test_a_clock_that_was_set_leaves_no_hole_and_later_ones_are_still_seen(jump: float) -> None:
    timeline = Timeline()
    begins = (0.0, 1.0, 2.0 + jump, 3.0 + jump, 14.0 + jump)
    assert [timeline.place(begin, 1.0) for begin in begins] == [0, 0, 0, 0, pytest.approx(10.0)]


def test_pieces_without_times_follow_each_other() -> None:
    timeline = Timeline()
    assert [timeline.place(None, 1.0) for _ in range(3)] == [0, 0, 0]
    assert timeline.position == 3.0


def test_what_was_lost_is_silence_and_a_damage() -> None:
    timeline = Timeline()
    timeline.place(0.0, 1.0)
    timeline.lose(0.5)
    timeline.lose(0.5)
    assert timeline.place(2.0, 1.0) == pytest.approx(1.0)
    assert timeline.damages.listed() == (Damage(start_ms=1000, end_ms=2000),)
    assert timeline.damages.lost_seconds == pytest.approx(1.0)


def test_what_was_lost_without_times_is_as_long_as_its_packets() -> None:
    timeline = Timeline(damages_only=True)
    timeline.place(None, 1.0)
    timeline.lose(0.75)
    assert timeline.place(None, 1.0) == 0.75


def test_junk_at_the_end_of_a_format_without_a_clock_is_no_sound() -> None:
    timeline = Timeline(damages_only=True)
    timeline.place(0.0, 1.0)
    timeline.lose(5.0)
    assert timeline.finish() == 0
    assert timeline.position == 1.0


def test_what_an_index_says_is_missing_at_the_end_when_it_does_not_decode() -> None:
    timeline = Timeline()
    timeline.place(0.0, 1.0)
    timeline.lose(5.0)
    assert timeline.finish() == 5.0
    assert timeline.damages.listed() == (Damage(start_ms=1000, end_ms=6000),)


def test_numbers_of_frames_make_no_more_holes_than_the_header_has_room_for() -> None:
    timeline = Timeline(damages_only=True, room=Room(lambda: 3.0))
    assert [timeline.place(begin, 1.0) for begin in (0.0, 3.0, 1_000.0, 1_001.0)] == [0, 2.0, 0, 0]


def test_a_film_whose_sound_begins_later_begins_with_silence() -> None:
    timeline = Timeline(start=0.0)
    assert timeline.place(2.0, 1.0) == 2.0


def test_so_many_damages_that_nobody_reads_them_are_joined_where_they_are_nearest() -> None:
    damages = Damages()
    for number in range(DAMAGES_MAX + 50):
        damages.add(number * 10.0, number * 10.0 + (9.5 if number % 2 else 1.0))
    listed = damages.listed()
    assert len(listed) == DAMAGES_MAX
    assert listed[0].start_ms == 0
    assert all(before.end_ms < after.start_ms for before, after in pairwise(listed))
