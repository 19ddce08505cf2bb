"""Between two signs of the engine progress moves, never goes back, and never says more than can be."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from inference_worker.estimate import FIRST_PACE, KEPT_BACK_SECONDS, MARGIN_SECONDS, Estimate


class Passing:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Sign(Struct, frozen=True):
    """What is said after a while: a place in a window and where that ends, or with None that all until there is done."""

    after_seconds: float
    done_seconds: float
    left_seconds: float | None


seconds = st.floats(0.0, 1_000.0)
signs = st.lists(st.builds(Sign, seconds, seconds, st.none() | seconds), max_size=20)
paces = st.floats(0.5, 300.0)
windows = st.floats(5.0, 900.0)


def told(estimate: Estimate, sign: Sign) -> None:
    if sign.left_seconds is None:
        estimate.advance(sign.done_seconds)
    else:
        estimate.hear(sign.done_seconds, sign.done_seconds + sign.left_seconds)


def reachable(sign: Sign) -> float:
    """How far progress may come on the word of this sign alone."""
    if sign.left_seconds is None:
        return sign.done_seconds
    return sign.done_seconds + sign.left_seconds - MARGIN_SECONDS


def after_one_window(clock: Passing, pace: float, window: float) -> Estimate:
    """The engine has shown its pace, and begins with the second window."""
    estimate = Estimate(clock)
    estimate.hear(0.0, window)
    clock.now += window / pace
    estimate.advance(window)
    estimate.hear(window, 2 * window)
    return estimate


@given(signs)
def test_whatever_is_said_and_however_late_progress_never_goes_back(said: list[Sign]) -> None:
    clock = Passing()
    estimate, seen = Estimate(clock), [0.0]
    for sign in said:
        for share in (0.001, 0.499, 0.5):
            clock.now += sign.after_seconds * share
            seen.append(estimate.seconds)
        told(estimate, sign)
        seen.append(estimate.seconds)
    assert seen == sorted(seen)


@given(signs, seconds)
def test_progress_is_never_past_what_the_engine_can_be_at(said: list[Sign], wait: float) -> None:
    clock = Passing()
    estimate, furthest = Estimate(clock), 0.0
    for sign in said:
        clock.now += sign.after_seconds
        assert estimate.seconds <= furthest
        told(estimate, sign)
        furthest = max(furthest, reachable(sign))
    clock.now += wait
    assert estimate.seconds <= furthest


@given(paces, windows)
def test_within_a_window_progress_moves_every_two_seconds(pace: float, window: float) -> None:
    """Also when this one takes ten times as long as the one before."""
    clock = Passing()
    estimate, last = after_one_window(clock, pace, window), window
    for _ in range(int(min(10 * window / pace, 300.0) / 2.0)):
        clock.now += 2.0
        assert round(estimate.seconds, 3) > round(last, 3)
        last = estimate.seconds


@given(paces, windows)
def test_the_first_half_of_a_window_is_estimated_at_the_pace_so_far(pace: float, window: float) -> None:
    clock = Passing()
    estimate = after_one_window(clock, pace, window)
    clock.now += 0.4 * window / pace
    assert abs(estimate.seconds - 1.4 * window) < 0.01 * window


def test_before_the_engine_has_shown_its_pace_progress_moves_at_the_speed_of_speech() -> None:
    clock = Passing()
    estimate = Estimate(clock)
    estimate.hear(60.0, 120.0)
    clock.now += 10.0
    assert estimate.seconds == 60.0 + 10.0 * FIRST_PACE


def test_where_nothing_is_in_work_nothing_is_estimated() -> None:
    clock = Passing()
    estimate = Estimate(clock)
    for done_seconds in (0.0, 30.0):
        estimate.advance(done_seconds)
        clock.now += 100.0
        assert estimate.seconds == done_seconds


def test_what_was_estimated_too_high_stands_and_goes_on() -> None:
    clock = Passing()
    estimate = after_one_window(clock, 10.0, 60.0)
    clock.now += 2.0
    before = estimate.seconds
    estimate.hear(62.0, 120.0)
    assert estimate.seconds == before
    clock.now += 2.0
    assert estimate.seconds > before


def test_a_window_that_was_heard_to_its_end_is_done_only_when_it_is_finished() -> None:
    """Voice without words in it may be heard again."""
    clock = Passing()
    estimate = Estimate(clock)
    estimate.hear(0.0, 60.0)
    clock.now += 5.0
    estimate.hear(60.0, 60.0)
    assert estimate.seconds == 60.0 - KEPT_BACK_SECONDS
    clock.now += 2.0
    assert 60.0 - KEPT_BACK_SECONDS < estimate.seconds < 60.0 - MARGIN_SECONDS
    estimate.advance(60.0)
    assert estimate.seconds == 60.0
