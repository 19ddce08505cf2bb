"""Transcripts: timed words in segments, and how an edited text keeps the times of the words it kept."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final
from unicodedata import normalize

from msgspec import Struct
from msgspec.structs import replace
from rapidfuzz.distance import Levenshtein

_IDEOGRAPH: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN: Final = re.compile(rf"\s*(?:[{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}]+)")
"""A word with the white space before it; scripts that write without spaces count each sign as a word."""

EDITS_EXPECTED: Final = 64
"""Words people change at once; up to here, hours of speech align a hundred times as fast. More is fine too."""


class Word(Struct, frozen=True, kw_only=True):
    """One word and when it was spoken; `text` keeps the white space before it, so words join to the text.

    A word a person typed has `edited`: it carries the time of the word it replaced, or, where it replaced
    none, the zero-length moment after the word before it. No time is ever made up.
    """

    text: str
    start_ms: int
    end_ms: int
    probability: float | None = None
    edited: bool = False


class Segment(Struct, frozen=True, kw_only=True):
    """Words spoken in one breath, as the engine grouped them; never empty. `language` is what they are spoken in."""

    words: tuple[Word, ...]
    language: str | None = None

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


class Damage(Struct, frozen=True, kw_only=True):
    """A stretch of a recording that could not be decoded; silence is in its place."""

    start_ms: int
    end_ms: int


class Transcript(Struct, frozen=True, kw_only=True):
    """What was said in a recording: `text` is exactly what people read, `segments` say when."""

    text: str
    language: str
    duration_ms: int
    segments: tuple[Segment, ...]

    @property
    def words(self) -> Iterator[Word]:
        return (word for segment in self.segments for word in segment.words)

    @property
    def word_count(self) -> int:
        return sum(len(segment.words) for segment in self.segments)


class _Placed(Struct, frozen=True):
    """A word and the number of the segment it belongs to."""

    segment: int
    word: Word


def transcript_of(segments: Sequence[Segment], *, language: str, duration_ms: int) -> Transcript:
    """A transcript as an engine heard it: its text is the segments' texts, one after the other."""
    kept = tuple(segment for segment in segments if segment.words)
    text = " ".join(segment.text for segment in kept if segment.text)
    return Transcript(text=text, language=language, duration_ms=duration_ms, segments=kept)


def edit(transcript: Transcript, text: str) -> Transcript:
    """The transcript with `text` as its text; words that stayed keep their times."""
    if text == transcript.text:
        return transcript
    placed = list(_align(transcript, _TOKEN.findall(text)))
    segments = tuple(
        Segment(
            words=tuple(each.word for each in group), language=_language_of(transcript.segments, number)
        )
        for number, group in groupby(placed, key=lambda each: each.segment)
    )
    return replace(transcript, text=text, segments=segments)


def _language_of(segments: Sequence[Segment], number: int) -> str | None:
    return segments[number].language if segments else None


def _align(transcript: Transcript, tokens: Sequence[str]) -> Iterator[_Placed]:
    """The tokens in order, timed by the shortest edit that leads from the old words to them."""
    old = [
        _Placed(number, word)
        for number, segment in enumerate(transcript.segments)
        for word in segment.words
    ]
    before = [_key(each.word.text) for each in old]
    after = [_key(token) for token in tokens]
    last: _Placed | None = None
    for step in Levenshtein.opcodes(before, after, score_hint=EDITS_EXPECTED):
        for index in range(step.dest_start, step.dest_end):
            if step.tag == "insert":
                last = _inserted(tokens[index], last, old, transcript.duration_ms)
            else:
                heard = old[step.src_start + index - step.dest_start]
                last = _Placed(heard.segment, _retyped(heard.word, tokens[index]))
            yield last


def _key(token: str) -> str:
    """What makes two spellings the same word for the alignment: letters and digits, without case."""
    folded = normalize("NFC", token).casefold()
    return "".join(sign for sign in folded if sign.isalnum()) or folded.strip()


def _retyped(word: Word, token: str) -> Word:
    if word.text.strip() == token.strip():
        return replace(word, text=token)
    return replace(word, text=token, probability=None, edited=True)


def _inserted(token: str, last: _Placed | None, old: Sequence[_Placed], duration_ms: int) -> _Placed:
    if last is not None:
        segment, start_ms, end_ms = last.segment, last.word.end_ms, last.word.end_ms
    elif old:
        segment, start_ms, end_ms = 0, old[0].word.start_ms, old[0].word.start_ms
    else:
        segment, start_ms, end_ms = 0, 0, duration_ms
    return _Placed(segment, Word(text=token, start_ms=start_ms, end_ms=end_ms, edited=True))
