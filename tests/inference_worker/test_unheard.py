"""Voice that no word accounts for is found and heard again, and what was heard first gives way only to what is better."""

from collections.abc import Sequence

import pytest

from domain.transcript import Segment, Word
from inference_worker.engines.made_up import VoicedMs
from inference_worker.engines.unheard import Gap, gaps_in, is_better


def segment(*words: tuple[str, int, int], probability: float = 0.9) -> Segment:
    return Segment(
        words=tuple(
            Word(text=f" {text}", start_ms=start, end_ms=end, probability=probability)
            for text, start, end in words
        )
    )


def all_voice(start_ms: int, end_ms: int) -> int:
    return max(0, end_ms - start_ms)


def no_voice(_start_ms: int, _end_ms: int) -> int:
    return 0


FIRST = segment(("we", 0, 300), ("write", 300, 800), ("this", 800, 1_200))
STRETCHED = segment(("when", 1_300, 1_600), ("the", 1_600, 6_600))
LAST = segment(("room", 6_700, 7_000), ("is", 7_000, 7_200))


def gaps(*segments: Segment, voiced_ms: VoicedMs = all_voice, end_ms: int = 7_300) -> Sequence[Gap]:
    return list(gaps_in(segments, 0, end_ms, voiced_ms))


def test_words_that_follow_each_other_leave_no_gap() -> None:
    assert not gaps(FIRST, segment(("down", 1_300, 1_700)), end_ms=2_000)


def test_a_segment_with_a_word_stretched_over_voice_is_heard_again_up_to_the_next() -> None:
    assert gaps(FIRST, STRETCHED, LAST) == [Gap(start_ms=1_300, end_ms=6_700, first=1, last=2)]


def test_a_word_stretched_over_silence_is_as_good_as_any() -> None:
    assert not gaps(FIRST, STRETCHED, LAST, voiced_ms=no_voice)


def test_a_pause_between_two_words_that_is_full_of_voice_is_a_gap() -> None:
    split = segment(("we", 0, 300), ("are", 5_000, 5_300))
    assert gaps(split, end_ms=5_400) == [Gap(start_ms=0, end_ms=5_400, first=0, last=1)]


def test_a_long_number_may_take_long() -> None:
    assert not gaps(segment(("1984,", 0, 3_000)), end_ms=3_000)
    assert gaps(segment(("never", 0, 3_000)), end_ms=3_000)


@pytest.mark.parametrize(
    ("segments", "gap"),
    [
        ([LAST], Gap(0, 6_700, 0, 0)),
        ([FIRST, LAST], Gap(1_200, 6_700, 1, 1)),
        ([FIRST], Gap(1_200, 7_300, 1, 1)),
        ([], Gap(0, 7_300, 0, 0)),
    ],
    ids=["before", "between", "after", "everywhere"],
)
def test_voice_without_a_word_is_a_gap(segments: list[Segment], gap: Gap) -> None:
    assert gaps(*segments) == [gap]


def test_a_gap_names_the_segments_that_it_would_replace() -> None:
    segments = [FIRST, STRETCHED, LAST]
    (gap,) = gaps(*segments)
    assert segments[gap.first : gap.last] == [STRETCHED]


def test_more_words_that_are_as_sure_are_better() -> None:
    assert is_better([FIRST], [segment(("this", 0, 300))])


def test_fewer_words_are_not_better_however_sure() -> None:
    assert not is_better([segment(("this", 0, 300), probability=1.0)], [FIRST])
    assert not is_better([], [FIRST])
    assert not is_better([], [])


def test_more_words_that_are_less_sure_are_not_better() -> None:
    assert not is_better([segment(("a", 0, 1), ("b", 1, 2), probability=0.8)], [segment(("c", 0, 2))])


OLDER = segment(("nobody", 0, 300), ("believed", 300, 700), ("that", 700, 3_400), probability=0.98)
STAYS = segment(("Nobody", 0, 300), ("believed", 300, 700), ("that", 700, 900), probability=0.92)


def test_words_that_were_left_out_may_be_less_sure_than_those_that_stay() -> None:
    assert is_better(
        [STAYS, segment(("they", 1_000, 1_300), ("could", 1_300, 1_600), probability=0.7)], [OLDER]
    )


def test_words_that_nobody_is_sure_of_are_no_reason_to_hear_it_otherwise() -> None:
    assert not is_better([STAYS, segment(("uh", 1_000, 1_300), probability=0.4)], [OLDER])


def test_words_that_stay_and_are_doubted_now_are_a_reason_not_to() -> None:
    doubted = segment(("Nobody", 0, 300), ("believed", 300, 700), ("that", 700, 900), probability=0.8)
    assert not is_better([doubted, segment(("they", 1_000, 1_300))], [OLDER])


def test_a_word_that_is_sure_does_not_give_way_to_two_that_are_not() -> None:
    second = segment(("nobody", 0, 300), ("believed", 300, 700))
    other = segment(("it", 700, 900), ("was", 900, 1_200), probability=0.6)
    assert not is_better([second, other], [OLDER])


def test_where_nothing_was_heard_unsure_words_are_not_better() -> None:
    assert not is_better([segment(("hm", 0, 300), probability=0.4)], [])
    assert is_better([segment(("hello", 0, 300), probability=0.6)], [])
