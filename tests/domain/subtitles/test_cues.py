"""Cues: every word once and in order, as long as it takes to read, on a screen that it fits."""

from itertools import pairwise
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.cells import cells
from domain.edits import edit
from domain.subtitles.cues import Cue, cues_of
from domain.subtitles.layout import CELLS_PER_SECOND_MAX, CUE_MS_MIN, GAP_CLOSED_MS, GAP_MS, Layout
from domain.subtitles.timing import STEP_MS
from domain.transcript import Segment, Transcript, Word, transcript_of
from tests.domain.subtitles.speech import signs, speech, transcripts

LAYOUTS = st.builds(
    Layout,
    line_cells_max=st.sampled_from([10, 32, 42]),
    lines_max=st.integers(1, 4),
    cue_ms_max=st.sampled_from([1_000, 7_000]),
)


def shown(cues: list[Cue]) -> list[list[str]]:
    return [list(cue.lines) for cue in cues]


@example(
    transcript_of([Segment(words=(Word(text=" 🏻", start_ms=0, end_ms=0),))], language="en", duration_ms=1),
    Layout(),
)
@given(transcripts(), LAYOUTS)
def test_every_sign_of_every_word_is_shown_once_and_in_order(
    transcript: Transcript, layout: Layout
) -> None:
    said = signs("".join(word.text for word in transcript.words))
    cues = cues_of(transcript, layout)
    assert signs(" ".join(cue.text for cue in cues)) == said
    assert [sign for cue in cues for line in cue.lines for sign in signs(line)] == said


@given(transcripts(), LAYOUTS)
def test_a_word_that_fits_a_line_is_in_one_line(transcript: Transcript, layout: Layout) -> None:
    words = "".join(
        f" {word.text}" if word.text[0] != " " else word.text for word in transcript.words
    ).split()
    spaced = [Word(text=f" {word}", start_ms=0, end_ms=0) for word in words]
    lines = {
        word
        for cue in cues_of(
            transcript_of([Segment(words=tuple(spaced))], language="en", duration_ms=9_999), layout
        )
        for line in cue.lines
        for word in line.split()
    }
    assert {word for word in words if 0 < cells(word) <= layout.line_cells_max} <= lines


@given(transcripts(), LAYOUTS)
def test_cues_fit_the_screen(transcript: Transcript, layout: Layout) -> None:
    cues = cues_of(transcript, layout)
    crowded = 2 * len(cues) > transcript.duration_ms
    for cue in cues:
        assert 1 <= len(cue.lines) <= layout.lines_max or crowded
        assert all(cells(line) <= layout.line_cells_max for line in cue.lines)


@given(transcripts(), LAYOUTS)
def test_cues_have_a_length_and_follow_each_other_within_the_recording(
    transcript: Transcript, layout: Layout
) -> None:
    cues = cues_of(transcript, layout)
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms <= transcript.duration_ms
        assert cue.end_ms - cue.start_ms <= layout.cue_ms_max
    for before, after in pairwise(cues):
        gap_ms = after.start_ms - before.end_ms
        apart = after.start_ms - before.start_ms >= STEP_MS
        assert gap_ms >= (GAP_MS if apart else 0)
        assert (
            gap_ms in {GAP_MS, 0} or gap_ms >= GAP_CLOSED_MS or not apart or at_its_longest(before, layout)
        )


def at_its_longest(cue: Cue, layout: Layout) -> bool:
    return cue.end_ms - cue.start_ms == layout.cue_ms_max


@given(transcripts(), LAYOUTS)
def test_a_cue_stays_until_it_is_read_wherever_silence_follows(
    transcript: Transcript, layout: Layout
) -> None:
    cues = cues_of(transcript, layout)
    nexts = [*(cue.start_ms for cue in cues[1:]), transcript.duration_ms]
    for cue, next_ms in zip(cues, nexts, strict=True):
        shown_ms = cue.end_ms - cue.start_ms
        read = shown_ms >= CUE_MS_MIN and cells(cue.text) * 1_000 <= shown_ms * CELLS_PER_SECOND_MAX
        assert read or at_its_longest(cue, layout) or next_ms - cue.end_ms <= GAP_MS


@given(transcripts())
def test_a_cue_comes_with_its_first_word(transcript: Transcript) -> None:
    """But where words have no time of their own."""
    starts = {word.start_ms for word in transcript.words}
    timeless = any(
        word.end_ms - word.start_ms < STEP_MS or word.timing == "estimated" or cells(word.text) > 42
        for word in transcript.words
    )
    assert timeless or {cue.start_ms for cue in cues_of(transcript)} <= starts


def test_a_long_speech_is_cut_into_readable_cues() -> None:
    cues = cues_of(speech("a word and another one, then a pause. " * 40))
    assert len(cues) > 10
    assert all(CUE_MS_MIN <= cue.end_ms - cue.start_ms <= 7_000 for cue in cues)


def test_a_pause_ends_a_cue_which_stays_on_into_it_until_it_can_be_read() -> None:
    words = (Word(text=" one", start_ms=0, end_ms=400), Word(text=" two", start_ms=3_000, end_ms=3_300))
    transcript = transcript_of([Segment(words=words)], language="en", duration_ms=4_000)
    assert [(cue.start_ms, cue.end_ms) for cue in cues_of(transcript)] == [(0, 833), (3_000, 3_833)]


def test_a_cue_never_stays_over_the_next_words() -> None:
    words = (
        Word(text=" yes,", start_ms=0, end_ms=200),
        Word(text=" " + "unforeseeable" * 3, start_ms=400, end_ms=2_400),
    )
    transcript = transcript_of([Segment(words=words)], language="en", duration_ms=9_000)
    first, second = cues_of(transcript, Layout(lines_max=1))
    assert (first.end_ms, second.start_ms) == (400 - GAP_MS, 400)


def test_a_short_gap_is_closed() -> None:
    words = tuple(
        Word(text=f" {text}", start_ms=at * 1_300, end_ms=at * 1_300 + 900)
        for at, text in enumerate(["Oneness.", "Twosome.", "Threefold."])
    )
    transcript = transcript_of([Segment(words=words)], language="en", duration_ms=9_000)
    cues = cues_of(transcript, Layout(line_cells_max=10, lines_max=1))
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [
        (0, 1_300 - GAP_MS),
        (1_300, 2_600 - GAP_MS),
        (2_600, 3_500),
    ]


def test_a_word_that_was_held_for_long_is_shown_seven_seconds() -> None:
    held = Word(text=" Aaaah", start_ms=1_000, end_ms=31_000)
    transcript = transcript_of([Segment(words=(held,))], language="en", duration_ms=40_000)
    assert [(cue.start_ms, cue.end_ms) for cue in cues_of(transcript)] == [(1_000, 8_000)]


def test_a_silent_recording_has_no_cues() -> None:
    assert cues_of(transcript_of([], language="en", duration_ms=1_000)) == []


def test_forty_words_typed_between_two_make_readable_cues() -> None:
    """Row 34: there is no time for them, so they take some from their neighbours and the silence after."""
    heard = transcript_of(
        [
            Segment(
                words=(
                    Word(text=" one", start_ms=0, end_ms=900),
                    Word(text=" two", start_ms=900, end_ms=1_800),
                )
            )
        ],
        language="en",
        duration_ms=30_000,
    )
    typed = " ".join(f"typed{number}" for number in range(40))
    cues = cues_of(edit(heard, f"one {typed} two"))
    assert " ".join(cue.text for cue in cues) == f"one {typed} two"
    assert len(cues) == 4
    for cue in cues:
        assert len(cue.lines) <= 2
        assert all(cells(line) <= 42 for line in cue.lines)
        assert cue.end_ms - cue.start_ms > 3_000


def test_twenty_thousand_signs_typed_on_two_words_fit_the_screen() -> None:
    """Row 33, in the subtitles: wide signs are two cells."""
    heard = speech("one two", silence_ms=600_000)
    cues = cues_of(edit(heard, "海" * 20_000))
    assert "".join(cue.text for cue in cues) == "海" * 20_000
    assert all(len(line) <= 21 for cue in cues for line in cue.lines)


def test_more_cues_than_milliseconds_lose_no_word() -> None:
    heard = speech("one", word_ms=20)
    cues = cues_of(edit(heard, "海" * 5_000))
    assert "".join(cue.text for cue in cues) == "海" * 5_000
    assert (cues[0].start_ms, cues[-1].end_ms) == (0, 20)


@pytest.mark.parametrize("unprinted", ["\u0001", "\u200b", "\ufeff", "\x00\x07"])
def test_words_that_print_nothing_are_not_shown(unprinted: str) -> None:
    cues = cues_of(edit(speech("one two"), f"one {unprinted} {unprinted}two {unprinted}"))
    assert ["".join(sign for sign in cue.text if sign != "\u200b") for cue in cues] == ["one two"]


def seconds_to_show(transcript: Transcript) -> float:
    """Of the processor: what else runs on the machine does not count."""
    began = process_time()
    cues_of(transcript)
    return process_time() - began


@pytest.mark.parametrize("typed", ["\u0001 ", "word ", "海", "ครับ", "a-", "\u200b"])
def test_the_time_for_cues_grows_with_the_words_and_no_faster(typed: str) -> None:
    """Row 32, where twice as many words that print nothing took four times as long: eight times as many may take 20."""
    few, many = (edit(speech("one two"), typed * count) for count in (1_000, 8_000))
    assert (
        min(seconds_to_show(many) for _ in range(3))
        < 20 * min(seconds_to_show(few) for _ in range(3)) + 0.05
    )
