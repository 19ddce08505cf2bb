"""Formats: parsers that others wrote read every cue and every word, and nothing in a text runs anywhere."""

import csv
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree as ET

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given

from domain.edits import edit
from domain.page import to_html
from domain.subtitles.cues import Cue, cues_of
from domain.subtitles.formats import to_csv, to_lrc, to_srt, to_vtt
from domain.subtitles.ttml import to_ttml
from domain.transcript import Segment, Transcript, Word, transcript_of
from tests.domain.subtitles.speech import signs, speech, transcripts

TT = "{http://www.w3.org/ns/ttml}"
ODD = [
    "a --> b",
    "x---->y",
    "<i>x</i>",
    "< b >y",
    "& < > &lt;",
    "line\n\nline",
    "{\\an8} top",
    "a\\Nb",
    "\x00\x07nul",
    "\ufeffbom",
    "para\u2028graph\u2029s",
    "lone\rreturn",
    "00:00:01,000 --> 00:00:02,000",
    "]]> <!--",
]


def typed(text: str) -> Transcript:
    return edit(speech("one two three", silence_ms=20_000), f"before {text} after")


def milliseconds(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def times(cues: list[Cue]) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in cues]


def by_srt(text: str) -> list[tuple[int, int, str]]:
    return [
        (round(each.start.total_seconds() * 1000), round(each.end.total_seconds() * 1000), each.content)
        for each in srt.parse(text)
    ]


def by_pysubs2(text: str) -> list[tuple[int, int, str]]:
    return [(each.start, each.end, each.plaintext) for each in pysubs2.SSAFile.from_string(text, "srt")]


def by_webvtt(text: str) -> list[tuple[int, int, str]]:
    return [
        (milliseconds(each.start), milliseconds(each.end), unescape(each.raw_text))
        for each in webvtt.from_buffer(StringIO(text))
    ]


def test_srt_is_what_players_expect() -> None:
    cues = cues_of(speech("one two", silence_ms=500))
    assert to_srt(cues) == "1\n00:00:00,000 --> 00:00:00,833\none two\n"


def test_vtt_is_what_browsers_expect() -> None:
    assert to_vtt(cues_of(speech("a<b & c>d"))) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.050\na&lt;b &amp; c&gt;d\n"
    )
    assert to_vtt([]) == "WEBVTT\n"


def test_hours_are_counted_past_the_first_day() -> None:
    word = Word(text=" late", start_ms=100 * 3_600_000, end_ms=100 * 3_600_000 + 5)
    late = transcript_of([Segment(words=(word,))], language="en", duration_ms=word.end_ms + 2_000)
    assert "100:00:00.000 --> 100:00:00.833" in to_vtt(cues_of(late))


@pytest.mark.parametrize("text", ODD)
def test_three_parsers_read_every_cue_and_every_word_of_odd_texts(text: str) -> None:
    """Row 35. What SubRip would take for its own is replaced sign by sign, so that nothing disappears."""
    cues = cues_of(typed(text))
    vtt = by_webvtt(to_vtt(cues))
    assert [each[:2] for each in vtt] == times(cues)
    assert [each[2].split() for each in vtt] == [" ".join(cue.lines).split() for cue in cues]
    for parsed in (by_srt(to_srt(cues)), by_pysubs2(to_srt(cues))):
        assert [each[:2] for each in parsed] == times(cues)
        assert [len(each[2].split()) for each in parsed] == [
            len(" ".join(cue.lines).split()) for cue in cues
        ]
        letters = ["".join(sign for sign in "".join(cue.lines) if sign.isalnum()) for cue in cues]
        assert ["".join(sign for sign in each[2] if sign.isalnum()) for each in parsed] == letters


@given(transcripts())
def test_parsers_read_the_times_and_lines_we_wrote(transcript: Transcript) -> None:
    cues = cues_of(transcript)
    assert [each[:2] for each in by_srt(to_srt(cues))] == times(cues)
    assert [each[:2] for each in by_pysubs2(to_srt(cues))] == times(cues)
    vtt = by_webvtt(to_vtt(cues))
    assert [each[:2] for each in vtt] == times(cues)
    assert [signs(each[2]) for each in vtt] == [signs("\n".join(cue.lines)) for cue in cues]


@given(transcripts())
def test_ttml_is_xml_of_the_imsc_text_profile_with_every_word(transcript: Transcript) -> None:
    cues = cues_of(transcript)
    document = ET.fromstring(to_ttml(cues, transcript.language))
    assert document.tag == f"{TT}tt"
    profiles = document.get("{http://www.w3.org/ns/ttml#parameter}contentProfiles")
    assert profiles == "http://www.w3.org/ns/ttml/profile/imsc1.1/text"
    assert document.get("{http://www.w3.org/XML/1998/namespace}lang") == (transcript.language or "und")
    paragraphs = list(document.iter(f"{TT}p"))
    shown = [(milliseconds(each.attrib["begin"]), milliseconds(each.attrib["end"])) for each in paragraphs]
    assert shown == times(cues)
    assert [list(each.itertext()) for each in paragraphs] == [list(cue.lines) for cue in cues]


@pytest.mark.parametrize("text", ODD)
def test_ttml_of_odd_texts_is_xml(text: str) -> None:
    cues = cues_of(typed(text))
    paragraphs = ET.fromstring(to_ttml(cues, 'e"n<')).iter(f"{TT}p")
    assert [list(each.itertext()) for each in paragraphs] == [list(cue.lines) for cue in cues]


def test_ttml_says_which_way_a_language_is_read() -> None:
    assert 'tts:direction="rtl"' in to_ttml([], "he")
    assert 'tts:direction="rtl"' not in to_ttml([], "en")


def test_lrc_has_a_line_for_each_cue_and_an_empty_one_before_silence() -> None:
    cues = cues_of(speech("Hello there. Good bye.", gap_ms=1_500, silence_ms=5_000))
    assert to_lrc(cues[:2]) == "[00:00.00]Hello\n[00:00.83]\n[00:01.85]there.\n[00:02.68]\n"


def test_what_looks_like_a_tag_of_lrc_is_none() -> None:
    lrc = to_lrc(cues_of(typed("[00:09.00] [ar:me] <00:01.00>")))
    assert "(00:09.00) (ar:me) (00:01.00)" in lrc


@given(transcripts())
def test_csv_has_a_row_for_each_cue_with_its_text(transcript: Transcript) -> None:
    cues = cues_of(transcript)
    header, *rows = csv.reader(StringIO(to_csv(cues), newline=""))
    assert header == ["number", "start_seconds", "end_seconds", "text"]
    assert [row[3].removeprefix("'") for row in rows] == [cue.text.removeprefix("'") for cue in cues]
    assert [(round(float(row[1]) * 1000), round(float(row[2]) * 1000)) for row in rows] == times(cues)


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "\t=1", '=HYPERLINK("x")'])
def test_csv_holds_no_formula(formula: str) -> None:
    rows = list(
        csv.reader(StringIO(to_csv(cues_of(edit(speech("one two"), f"{formula} two"))), newline=""))
    )
    assert rows[1][3] == f"'{formula.strip()} two"


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, and the text of its paragraphs."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # the parser calls it so
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_shows_each_segment_and_runs_nothing() -> None:
    page = to_html(typed("<script>alert(1)</script> \"'><img src=x onerror=alert(1)>\x00"))
    reader = Reader()
    reader.feed(page)
    assert set(reader.elements) == {"html", "head", "meta", "title", "style", "body", "p", "time"}
    assert " before <script>alert(1)</script> \"'><img src=x onerror=alert(1)> after" in reader.texts
    assert "default-src 'none'" in page


def test_a_language_that_is_none_cannot_leave_its_attribute() -> None:
    reader = Reader()
    reader.feed(to_html(transcript_of([], language='"><script>', duration_ms=1)))
    assert "script" not in reader.elements
