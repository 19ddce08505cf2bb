"""Speech without words is found, heard again, and its words put where they belong."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.transcript import Segment, Word
from inference_worker.engines.overheard import Stretch, missed_stretches, put_in_place

END_MS = 20_000


def segment(*words: tuple[str, int, int]) -> Segment:
    return Segment(words=tuple(Word(text=text, start_ms=start, end_ms=end) for text, start, end in words))


def all_speech(start_ms: int, end_ms: int) -> int:
    return end_ms - start_ms


def texts(segments: Sequence[Segment]) -> list[str]:
    return [word.text for segment in segments for word in segment.words]


def test_words_at_the_pace_of_speech_have_missed_nothing() -> None:
    words = segment(*((f" word{at}", at, at + 500) for at in range(0, END_MS, 500)))
    assert missed_stretches([words], 0, END_MS, all_speech) == []


def test_a_last_word_that_seems_to_last_for_seconds_is_heard_again() -> None:
    words = segment((" gone", 0, 400), (" when", 400, 700), (" the", 700, 5_000))
    assert missed_stretches([words], 0, 5_000, all_speech) == [Stretch(2, 700, 5_000)]


def test_a_pause_after_a_word_is_nothing_missed() -> None:
    def speech_ms(start_ms: int, end_ms: int) -> int:
        return max(0, min(end_ms, 1_000) - start_ms)

    words = segment((" gone", 0, 400), (" when", 400, 700), (" the", 700, 5_000))
    assert missed_stretches([words], 0, 5_000, speech_ms) == []


def test_speech_before_the_first_word_is_heard_again() -> None:
    words = segment((" late", 4_000, 4_400))
    assert missed_stretches([words], 0, 4_500, all_speech) == [Stretch(-1, 0, 4_000)]


def test_speech_without_any_word_is_heard_again() -> None:
    assert missed_stretches([], 1_000, 5_000, all_speech) == [Stretch(-1, 1_000, 5_000)]


def test_a_long_number_may_take_its_time() -> None:
    words = segment((" 1,234,567", 0, 1_900), (" euros", 1_900, 2_400))
    assert missed_stretches([words], 0, 2_500, all_speech) == []


def test_only_so_much_is_heard_again() -> None:
    words = segment(*((" a", at, at + 100) for at in range(0, END_MS, 4_000)))
    missed = missed_stretches([words], 0, END_MS, all_speech)
    assert [each.start_ms for each in missed] == [16_000, 12_000, 8_000]


def test_the_words_of_a_second_listening_replace_the_stretched_one() -> None:
    segments = [segment((" a", 0, 1), (" b", 1, 9), (" c", 9, 10)), segment((" d", 10, 11))]
    heard = [segment((" B", 1, 4), (" BB", 4, 9))]
    mended = put_in_place(segments, Stretch(1, 1, 9), heard)
    assert texts(mended) == [" a", " B", " BB", " c", " d"]
    assert [len(each.words) for each in mended] == [1, 2, 1, 1]


def test_words_before_the_first_one_come_first() -> None:
    mended = put_in_place([segment((" b", 5, 6))], Stretch(-1, 0, 5), [segment((" a", 0, 5))])
    assert texts(mended) == [" a", " b"]


def test_a_second_listening_that_hears_nothing_changes_nothing() -> None:
    segments = [segment((" a", 0, 5_000))]
    assert put_in_place(segments, Stretch(0, 0, 5_000), []) == segments


@given(st.lists(st.integers(1, 4), max_size=6), st.data())
def test_every_other_word_stays_in_its_order(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    firsts = [sum(sizes[:number]) for number in range(len(sizes))]
    segments = [
        segment(*((f" {at}", at, at + 1) for at in range(first, first + size)))
        for first, size in zip(firsts, sizes, strict=True)
    ]
    number = data.draw(st.integers(-1, total - 1))
    mended = put_in_place(segments, Stretch(number, 0, 1), [segment((" new", 0, 1))])
    expected = [f" {at}" for at in range(total)]
    expected[max(number, 0) : number + 1] = [" new"]
    assert texts(mended) == expected
