"""Transcripts: timed words in segments."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

Timing: TypeAlias = Literal["heard", "aligned", "estimated"]


class Word(Struct, frozen=True, kw_only=True):
    """One word and when it was spoken; `text` keeps the white space before it, so words join to the text.

    A word a person typed has `edited`. Its `timing` is "heard" where it took the place of one word, and so that
    word's time. Else it is "estimated" at first: then it shares with the others typed there, by their width,
    the time of what they replaced or the silence between their neighbours. That is no measurement and says so; with
    no time at all, forty words typed in one place would have to be shown at once. It is "aligned" once an engine
    has found it in the sound.
    """

    text: str
    start_ms: int
    end_ms: int
    probability: float | None = None
    edited: bool = False
    timing: Timing = "heard"


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


class MediaWarning(Struct, frozen=True, kw_only=True):
    """What is wrong with a recording that was transcribed all the same, and where, from its start.

    `media_damaged`: this stretch could not be decoded, so that its words are missing. `language_assumed`: nobody said
    what is spoken here and the model knows one language alone, so that another is written down as nonsense in that one.
    """

    code: Literal["media_damaged", "language_assumed"] = "media_damaged"
    from_seconds: float
    to_seconds: float


class Transcript(Struct, frozen=True, kw_only=True):
    """What was said in a recording: `text` is exactly what people read, `segments` say when."""

    text: str
    language: str
    duration_ms: int
    segments: tuple[Segment, ...]
    warnings: tuple[MediaWarning, ...] = ()

    @property
    def words(self) -> Iterator[Word]:
        return (word for segment in self.segments for word in segment.words)

    @property
    def word_count(self) -> int:
        return sum(len(segment.words) for segment in self.segments)


def transcript_of(segments: Sequence[Segment], *, language: str, duration_ms: int) -> Transcript:
    """A transcript as an engine heard it: its text is the segments' texts, one after the other."""
    kept = tuple(segment for segment in segments if segment.words)
    return Transcript(text=text_of(kept), language=language, duration_ms=duration_ms, segments=kept)


def text_of(segments: Iterable[Segment]) -> str:
    return " ".join(segment.text for segment in segments if segment.text)
