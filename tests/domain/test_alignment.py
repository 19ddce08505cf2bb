"""Alignment: which sound typed words are looked for in, and what is believed of where they are found."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alignment import (
    SOUND_MS_MAX,
    WORDS_MAX,
    Found,
    Stretch,
    runs_of_estimated,
    stretches_of,
    with_times,
    with_times_of,
)
from domain.edits import edit
from domain.transcript import Segment, Transcript, Word, transcript_of


def heard(text: str, *, word_ms: int = 400, every_ms: int = 500, language: str | None = None) -> Transcript:
    words = tuple(
        Word(text=f" {each}", start_ms=number * every_ms, end_ms=number * every_ms + word_ms)
        for number, each in enumerate(text.split())
    )
    return transcript_of(
        [Segment(words=words, language=language)],
        language="en",
        duration_ms=len(words) * every_ms + 1_000,
    )


TALK = heard("call me somebody some years ago never mind how long")
TYPED = edit(TALK, "call me mister Ishmael some years ago never mind how long")
"""Two words in the place of one, which was said from 1.0 to 1.4 s."""


def found_at(stretch: Stretch, times: dict[str, tuple[int, int]], probability: float = 0.9) -> list[Found]:
    """Those that were heard where they were heard, and the others at `times`."""
    spoken = {word.text.strip(): (word.start_ms, word.end_ms) for word in TALK.words}
    spoken |= {word.strip(): time for word, time in times.items()}
    return [
        Found(start_ms=start_ms, end_ms=end_ms, probability=probability)
        for start_ms, end_ms in (spoken[word.strip()] for word in stretch.words)
    ]


def timings(transcript: Transcript) -> list[tuple[str, int, int, str]]:
    return [(word.text.strip(), word.start_ms, word.end_ms, word.timing) for word in transcript.words]


def test_typed_words_are_looked_for_among_those_that_were_heard_around_them() -> None:
    [stretch] = stretches_of(TYPED)
    assert stretch.words[stretch.typed - stretch.first : stretch.untyped - stretch.first] == (
        " mister",
        " Ishmael",
    )
    assert (stretch.first, stretch.words[0], stretch.words[-1]) == (0, "call", " long")
    assert (stretch.start_ms, stretch.end_ms, stretch.language) == (0, 5_100, "en")


def test_words_are_looked_for_in_the_language_of_their_segment() -> None:
    talk = heard("eins zwei drei vier", language="de")
    [stretch] = stretches_of(edit(talk, "eins zwo und drei vier"))
    assert stretch.language == "de"


def test_where_nothing_was_typed_nothing_is_looked_for() -> None:
    assert stretches_of(TALK) == []
    assert stretches_of(edit(TALK, "call me anybody some years ago never mind how long")) == []


def test_found_words_have_the_times_at_which_they_were_found() -> None:
    [stretch] = stretches_of(TYPED)
    times = {" mister": (1_020, 1_180), " Ishmael": (1_180, 1_390)}
    aligned = with_times(TYPED, [(stretch, found_at(stretch, times))])
    assert timings(aligned)[1:5] == [
        ("me", 500, 900, "heard"),
        ("mister", 1_020, 1_180, "aligned"),
        ("Ishmael", 1_180, 1_390, "aligned"),
        ("some", 1_500, 1_900, "heard"),
    ]
    assert aligned.text == TYPED.text


@pytest.mark.parametrize(
    ("times", "probability"),
    [
        ({" mister": (1_020, 1_180), " Ishmael": (1_180, 1_390)}, 0.01),
        ({" mister": (1_180, 1_390), " Ishmael": (1_020, 1_180)}, 0.9),
        ({" mister": (1_100, 1_100), " Ishmael": (1_100, 1_390)}, 0.9),
        ({" mister": (3_000, 3_200), " Ishmael": (3_200, 3_400)}, 0.9),
    ],
    ids=["hardly said", "out of order", "no time at all", "behind what follows"],
)
def test_what_cannot_be_believed_stays_estimated(
    times: dict[str, tuple[int, int]], probability: float
) -> None:
    [stretch] = stretches_of(TYPED)
    assert with_times(TYPED, [(stretch, found_at(stretch, times, probability))]) == TYPED


def test_an_engine_that_places_heard_words_elsewhere_is_not_believed_about_the_typed_ones() -> None:
    [stretch] = stretches_of(TYPED)
    times = {" mister": (1_020, 1_180), " Ishmael": (1_180, 1_390)}
    moved = [
        Found(start_ms=each.start_ms + 400, end_ms=each.end_ms + 400, probability=0.9)
        for each in found_at(stretch, times)
    ]
    assert with_times(TYPED, [(stretch, moved)]) == TYPED


def test_an_answer_that_is_not_one_for_each_word_changes_nothing() -> None:
    [stretch] = stretches_of(TYPED)
    assert with_times(TYPED, [(stretch, [])]) == TYPED


def test_found_words_keep_their_times_through_other_edits_and_lose_them_with_their_run() -> None:
    [stretch] = stretches_of(TYPED)
    times = {" mister": (1_020, 1_180), " Ishmael": (1_180, 1_390)}
    aligned = with_times(TYPED, [(stretch, found_at(stretch, times))])
    elsewhere = "call me mister Ishmael some years ago never mind exactly how long"
    again = with_times_of(edit(TALK, elsewhere), aligned)
    assert timings(again)[2:4] == timings(aligned)[2:4]
    assert {timing for *_, timing in timings(again)} == {"heard", "aligned", "estimated"}
    beside = with_times_of(edit(TALK, TYPED.text.replace("Ishmael", "Ishmael Smith")), aligned)
    assert "aligned" not in {timing for *_, timing in timings(beside)}
    assert with_times_of(edit(TALK, TYPED.text), aligned) == aligned


def test_more_words_than_can_be_heard_at_once_are_not_looked_for() -> None:
    assert stretches_of(edit(TALK, "call me " + "so " * WORDS_MAX + "some years ago")) == []
    slow = heard("one two three", word_ms=20_000, every_ms=20_000)
    assert stretches_of(edit(slow, "one and so on three")) != []
    assert stretches_of(edit(slow, "and so on and on")) == []


TEXTS = st.text(st.sampled_from("abc de.海ไ "), max_size=60)


@given(TEXTS, st.data())
def test_whatever_is_typed_and_found_words_stay_in_order_within_the_recording(
    text: str, data: st.DataObject
) -> None:
    typed = edit(heard("a b c d e f"), text)
    answers: list[tuple[Stretch, Sequence[Found]]] = []
    for stretch in stretches_of(typed):
        assert 0 < stretch.end_ms - stretch.start_ms <= SOUND_MS_MAX
        moments = data.draw(
            st.lists(
                st.integers(0, 5_000), min_size=2 * len(stretch.words), max_size=2 * len(stretch.words)
            )
        )
        pairs = zip(moments[::2], moments[1::2], strict=True)
        answers.append(
            (stretch, [Found(start_ms=each, end_ms=other, probability=0.9) for each, other in pairs])
        )
    aligned = with_times(typed, answers)
    assert aligned.text == typed.text
    words = list(aligned.words)
    assert [word.text for word in words] == [word.text for word in typed.words]
    assert all(word.start_ms <= word.end_ms for word in words)
    for before, after in pairwise(words):
        assert before.end_ms <= after.start_ms
    for word, was in zip(words, typed.words, strict=True):
        assert word == was or (was.timing, word.timing) == ("estimated", "aligned")


@given(TEXTS)
def test_runs_of_estimated_words_are_all_of_them_and_no_others(text: str) -> None:
    words = list(edit(TALK, text).words)
    inside = {number for first, end in runs_of_estimated(words) for number in range(first, end)}
    assert inside == {number for number, word in enumerate(words) if word.timing == "estimated"}
