"""Subtitles: every word once, at its real time, in cues that three independent parsers accept."""

from io import StringIO

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from domain.subtitles import CUE_MS_MAX, LINE_CHARACTERS_MAX, LINES_MAX, cues_of, to_srt, to_vtt
from domain.transcript import Segment, Transcript, Word, edit, transcript_of

SIGNS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs", "Cf"])


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Any words with any pauses between them, some of no length, as engines deliver them."""
    words, now_ms = [], 0
    for text in draw(st.lists(st.text(SIGNS, min_size=1, max_size=14), min_size=1, max_size=60)):
        start_ms = now_ms + draw(st.sampled_from([0, 0, 60, 300, 2_500]))
        end_ms = start_ms + draw(st.sampled_from([0, 120, 400, 900]))
        words.append(Word(text=f" {text}", start_ms=start_ms, end_ms=end_ms))
        now_ms = end_ms
    size = draw(st.integers(1, 12))
    segments = [Segment(words=tuple(words[at : at + size])) for at in range(0, len(words), size)]
    return transcript_of(segments, language="en", duration_ms=now_ms + 1)


def speech(text: str, word_ms: int = 350) -> Transcript:
    words = [
        Word(text=f" {word}", start_ms=at * word_ms, end_ms=(at + 1) * word_ms)
        for at, word in enumerate(text.split())
    ]
    return transcript_of([Segment(words=tuple(words))], language="en", duration_ms=len(words) * word_ms)


@given(transcripts())
def test_no_word_is_lost_or_repeated(transcript: Transcript) -> None:
    shown = " ".join(line for cue in cues_of(transcript) for line in cue.lines)
    assert shown.split() == [word.text.strip() for word in transcript.words]


@given(transcripts())
def test_cues_follow_each_other_without_overlap(transcript: Transcript) -> None:
    cues = cues_of(transcript)
    moments = [moment for cue in cues for moment in (cue.start_ms, cue.end_ms)]
    assert moments == sorted(moments)
    assert len(cues) == 1 or all(cue.end_ms > cue.start_ms for cue in cues)


@given(transcripts())
def test_every_cue_starts_and_ends_with_a_real_word(transcript: Transcript) -> None:
    starts = {word.start_ms for word in transcript.words}
    ends = {word.end_ms for word in transcript.words}
    for cue in cues_of(transcript):
        assert cue.start_ms in starts
        assert cue.end_ms in ends


@given(transcripts())
def test_cues_with_a_length_fit_the_screen(transcript: Transcript) -> None:
    timeless = any(word.start_ms == word.end_ms for word in transcript.words)
    for cue in cues_of(transcript):
        assert timeless or len(cue.lines) <= LINES_MAX
        assert all(len(line) <= LINE_CHARACTERS_MAX for line in cue.lines)


def test_a_long_speech_is_cut_into_readable_cues() -> None:
    cues = cues_of(speech("a word and another one, then a pause. " * 40))
    assert len(cues) > 10
    assert all(cue.end_ms - cue.start_ms <= CUE_MS_MAX for cue in cues)


def test_a_pause_ends_a_cue() -> None:
    words = (Word(text=" one", start_ms=0, end_ms=400), Word(text=" two", start_ms=3_000, end_ms=3_300))
    transcript = transcript_of([Segment(words=words)], language="en", duration_ms=4_000)
    assert [(cue.start_ms, cue.end_ms) for cue in cues_of(transcript)] == [(0, 400), (3_000, 3_300)]


def test_a_word_longer_than_a_line_stays_whole() -> None:
    address = "https://example.com/" + "a" * 60
    cues = cues_of(speech(f"see {address} now"))
    assert address in [line for cue in cues for line in cue.lines]


def test_a_silent_recording_has_no_cues() -> None:
    silent = transcript_of([], language="en", duration_ms=1_000)
    assert cues_of(silent) == []
    assert to_vtt([]) == "WEBVTT\n"
    assert to_srt([]) == ""


def test_words_inserted_by_hand_are_shown_with_their_neighbours() -> None:
    transcript = edit(speech("one two three"), "zero one two and three")
    (cue,) = cues_of(transcript)
    assert cue.lines == ["zero one two and three"]
    assert (cue.start_ms, cue.end_ms) == (0, 1_050)


def test_srt_is_what_players_expect() -> None:
    assert to_srt(cues_of(speech("one two"))) == "1\n00:00:00,000 --> 00:00:00,700\none two\n"


def test_vtt_is_what_browsers_expect() -> None:
    assert to_vtt(cues_of(speech("a<b & c>d"))) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.050\na&lt;b &amp; c&gt;d\n"
    )


def test_hours_are_counted_past_the_first_day() -> None:
    word = Word(text=" late", start_ms=100 * 3_600_000, end_ms=100 * 3_600_000 + 5)
    late = transcript_of([Segment(words=(word,))], language="en", duration_ms=word.end_ms)
    assert "100:00:00.000 --> 100:00:00.005" in to_vtt(cues_of(late))


@pytest.mark.parametrize(
    "typed", ["a --> b", "<i>x</i>", "& < >", "line\n\nline", "{\\an8} top", "\x00\x07"]
)
def test_markup_in_the_text_does_not_break_a_file(typed: str) -> None:
    cues = cues_of(edit(speech("one two three"), f"before {typed} after"))
    assert len(list(srt.parse(to_srt(cues)))) == len(cues)
    assert len(list(webvtt.from_buffer(StringIO(to_vtt(cues))))) == len(cues)


def milliseconds(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


@given(transcripts())
def test_three_parsers_read_the_times_we_wrote(transcript: Transcript) -> None:
    cues = [cue for cue in cues_of(transcript) if cue.lines]
    expected = [(cue.start_ms, cue.end_ms) for cue in cues]
    by_srt = [
        (round(each.start.total_seconds() * 1000), round(each.end.total_seconds() * 1000))
        for each in srt.parse(to_srt(cues))
    ]
    by_pysubs2 = [(each.start, each.end) for each in pysubs2.SSAFile.from_string(to_srt(cues), "srt")]
    by_webvtt = [
        (milliseconds(each.start), milliseconds(each.end))
        for each in webvtt.from_buffer(StringIO(to_vtt(cues)))
    ]
    assert by_srt == by_pysubs2 == by_webvtt == expected
