"""Passages: a transcript cut into pieces of a few minutes, with what each is found by and when each of its words was said."""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from unicodedata import normalize

from msgspec import Struct

from domain.tokens import UNSPACED
from domain.transcript import Segment, Word

CHARACTERS: Final = 2_000
"""Some two minutes of speech; a passage ends with the segment that fills it. All words of a question are to be in one passage."""
CHARACTERS_MAX: Final = 2 * CHARACTERS
WORD_CHARACTERS_MAX: Final = 200
"""Longer ones are cut: nobody says them, and whoever edits may type them."""

_RUN: Final = rf"[{UNSPACED}\uac00-\ud7a3]+"
"""Scripts without spaces, and Korean, whose words carry their endings. They are found by each two signs that follow one another."""
_RUNS: Final = re.compile(_RUN)
_ASKED_RUNS: Final = re.compile(rf"(-?)({_RUN})")
_UNPARSED: Final = re.compile(r"[\x00-\x1f\x7f<>]")
"""What PostgreSQL cannot hold, or would take for the tags of a page."""


class Passage(Struct, frozen=True, kw_only=True):
    """`words` is for PostgreSQL to find the words in, `signs` is a tsvector; `times` are pairs: where in the text a word begins, and
    when it was said, in milliseconds.
    """

    text: str
    words: str
    signs: str
    times: list[tuple[int, int]]


class Question(Struct, frozen=True, kw_only=True):
    """`words` are for `websearch_to_tsquery`, `signs` is a tsquery; `runs` are what it looks for."""

    words: str
    signs: str
    runs: list[str]


def passages_of(segments: Iterable[Segment]) -> Iterator[Passage]:
    draft = _Draft()
    for segment in segments:
        for number, word in enumerate(segment.words):
            if draft.length >= CHARACTERS_MAX:
                yield draft.passage()
                draft = _Draft()
            draft.add(word, begins_segment=number == 0)
        if draft.length >= CHARACTERS:
            yield draft.passage()
            draft = _Draft()
    if draft.length:
        yield draft.passage()


class _Draft:
    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[str] = []
        self._times: list[tuple[int, int]] = []

    def add(self, word: Word, *, begins_segment: bool) -> None:
        text = cleaned(word.text)
        bare = text.lstrip()
        if self.length and (begins_segment or len(bare) < len(text)):
            self._append(" ")
        for start in range(0, len(bare), WORD_CHARACTERS_MAX):
            self._times.append((self.length, word.start_ms))
            self._append(bare[start : start + WORD_CHARACTERS_MAX])

    def _append(self, piece: str) -> None:
        self._pieces.append(piece)
        self.length += len(piece)

    def passage(self) -> Passage:
        text = "".join(self._pieces)
        folded = folded_of(text)
        return Passage(text=text, words=spaced_of(folded), signs=_signs_of(folded), times=self._times)


def cleaned(text: str) -> str:
    """In the one form that texts are kept and asked for in, without what cannot be kept."""
    return _UNPARSED.sub(" ", text if text.isascii() else normalize("NFC", text))


def folded_of(text: str) -> str:
    """Without case and without wide forms of letters, each sign in its place: the database may know but ASCII's."""
    if text.isascii():
        return text.lower()
    return "".join(_folded(sign) for sign in text)


def _folded(sign: str) -> str:
    plain = normalize("NFKC", sign).lower()
    return plain if len(plain) == 1 else sign


def spaced_of(folded: str) -> str:
    """The words of the other scripts, each in its place."""
    return _RUNS.sub(lambda run: " " * len(run[0]), folded)


def _signs_of(folded: str) -> str:
    """Each two signs of a run that follow one another, and its last one; between runs places are left free."""
    lexemes: list[str] = []
    place = 1
    for run in _RUNS.findall(folded):
        lexemes += [f"'{run[at : at + 2]}':{place + at}" for at in range(len(run))]
        place += len(run) + 1
    return " ".join(lexemes)


def question_of(text: str) -> Question:
    """What is asked for in the words of a search engine: quotation marks, `or`, and a minus before what is not to be there."""
    folded = folded_of(cleaned(text))
    asked = _ASKED_RUNS.findall(folded)
    return Question(
        words=_ASKED_RUNS.sub(" ", folded).strip(),
        signs=" & ".join(f"!({_sought(run)})" if minus else f"({_sought(run)})" for minus, run in asked),
        runs=[run for minus, run in asked if not minus],
    )


def _sought(run: str) -> str:
    """One sign is found where a pair begins with it."""
    if len(run) == 1:
        return f"'{run}':*"
    return " <-> ".join(f"'{run[at : at + 2]}'" for at in range(len(run) - 1))
