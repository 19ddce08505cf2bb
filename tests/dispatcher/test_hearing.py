"""Silence counts only for a dispatcher that would have heard."""

from dispatcher.hearing import Hearing
from tests.dispatcher.memory import MovedClock


def heard_at(*seconds: float, now: float, return_seconds: float = 0.0) -> bool:
    clock = MovedClock()
    hearing = Hearing(6.0, return_seconds, clock.monotonic)
    for moment in seconds:
        clock.seconds = moment
        hearing.hear()
    clock.seconds = now
    return hearing.is_steady


def test_who_heard_nobody_knows_nothing() -> None:
    assert not heard_at(now=100.0)


def test_who_has_just_begun_to_hear_waits_for_the_others() -> None:
    assert not heard_at(0.0, 2.0, 4.0, now=5.0)


def test_who_has_heard_steadily_can_tell_who_is_silent() -> None:
    assert heard_at(0.0, 2.0, 4.0, 6.0, now=7.0)


def test_a_long_silence_of_all_is_no_sign_about_one() -> None:
    assert not heard_at(0.0, 2.0, 4.0, 6.0, now=13.0)
    assert not heard_at(0.0, 2.0, 4.0, 6.0, 40.0, now=41.0)
    assert heard_at(0.0, 2.0, 4.0, 6.0, 40.0, 43.0, 46.0, now=47.0)


def test_after_an_outage_everybody_has_time_to_be_heard_again() -> None:
    assert not heard_at(0.0, 4.0, 8.0, now=9.0, return_seconds=12.0)
    assert heard_at(0.0, 4.0, 8.0, 12.0, now=12.0, return_seconds=12.0)


def test_after_a_jump_of_the_databases_clock_everybody_has_time_to_be_heard_again() -> None:
    clock = MovedClock()
    hearing = Hearing(6.0, 12.0, clock.monotonic)
    for moment, shown, jumps in [(0, 100, False), (6, 107, False), (12, 113, False), (13, 3_000, True)]:
        clock.seconds = float(moment)
        hearing.hear()
        assert hearing.compare(float(shown)) == jumps
        assert hearing.is_steady == (moment == 12)
    for moment in (18, 24, 25):
        clock.seconds = float(moment)
        hearing.hear()
        assert not hearing.compare(float(moment) + 2_987)
    assert hearing.is_steady


def test_how_long_somebody_was_heard_begins_anew_after_a_long_silence() -> None:
    clock = MovedClock()
    hearing = Hearing(6.0, 0.0, clock.monotonic)
    assert hearing.steady_seconds == 0.0
    for moment, wanted in [(10.0, 0.0), (12.0, 2.0), (17.0, 7.0), (30.0, 0.0), (31.0, 1.0)]:
        clock.seconds = moment
        hearing.hear()
        assert hearing.steady_seconds == wanted
