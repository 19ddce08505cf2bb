"""Matching: the words that two texts have in common, at once where they are short, and piece by piece where they are long."""

import random
import threading
import time
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

from domain.matching import WORDS_AT_ONCE, matches

SMALL = st.lists(st.sampled_from("abcd"), max_size=30)
DICE = random.Random(15)
"""The same text each time."""


def text_of(count: int, words: int = 3_000) -> list[str]:
    """As few different words as people use."""
    return [f"w{min(DICE.randrange(words), DICE.randrange(words))}" for _ in range(count)]


def matched(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    return [
        (match.before + each, match.after + each)
        for match in matches(before, after)
        for each in range(match.count)
    ]


def require_sound(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    found = matched(before, after)
    assert all(before[one] == after[other] for one, other in found)
    for each in zip(*found, strict=True):
        assert list(each) == sorted(set(each))
    return found


@given(SMALL, SMALL)
def test_words_are_matched_in_order_and_each_once(before: list[str], after: list[str]) -> None:
    assert len(require_sound(before, after)) <= LCSseq.similarity(before, after)


def test_a_long_text_with_many_small_edits_is_matched_but_for_those() -> None:
    before = text_of(5 * WORDS_AT_ONCE)
    after = [f"{word}!" if at % 25 == 7 else word for at, word in enumerate(before)]
    found = require_sound(before, after)
    assert len(found) == sum(one == other for one, other in zip(before, after, strict=True))


def test_a_long_text_without_long_parts_of_it_is_matched_all_the_same() -> None:
    before = text_of(6 * WORDS_AT_ONCE)
    size = WORDS_AT_ONCE + 1_000
    after = [*before[size : 3 * size], *text_of(size), *before[4 * size :]]
    kept = len(before) - 2 * size
    assert len(require_sound(before, after)) >= kept


def test_long_texts_with_nothing_in_common_are_matched_nowhere() -> None:
    before = [f"x{at}" for at in range(3 * WORDS_AT_ONCE)]
    assert require_sound(before, text_of(2 * WORDS_AT_ONCE)) == []
    assert require_sound(before, before[::-1]) is not None
    assert require_sound(before, []) == []


def test_a_word_said_for_hours_is_matched() -> None:
    assert len(require_sound(["so"] * 3 * WORDS_AT_ONCE, ["so"] * 2 * WORDS_AT_ONCE)) >= WORDS_AT_ONCE


def longest_stop_during(work: Callable[[], object]) -> tuple[float, float]:
    """For how long this thread could do nothing, at the most, while another one did the work, and how long that took."""
    begun, done, stops = threading.Event(), threading.Event(), [0.0]

    def carry_out() -> None:
        begun.set()
        work()
        done.set()

    began_at = time.monotonic()
    thread = threading.Thread(target=carry_out)
    thread.start()
    last = began_at
    while not done.wait(0.005):
        now = time.monotonic()
        stops.append(now - last)
        last = now
    stops.append(time.monotonic() - last)
    thread.join()
    return max(stops), time.monotonic() - began_at


def test_while_hours_of_speech_are_matched_the_rest_of_the_process_goes_on() -> None:
    before, after = text_of(70_000), text_of(70_000, words=9_000)
    stop, took = longest_stop_during(lambda: list(matches(before, after)))
    assert stop < took / 3
