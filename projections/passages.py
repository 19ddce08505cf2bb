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
_TERMS: Final = re.compile(r'(-*)("[^"]*"?|[^\s"]+)')
_OR: Final = "or"
_JOINTS: Final = re.compile(r"(?<=\w)[/@](?=\w)|(?<=[^\W\d_]{2})\.(?=[^\W\d_]{2})")
"""Around them PostgreSQL would see one path, host or address, in which no word is found."""
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


class Alternative(Struct, frozen=True, kw_only=True):
    """What is to be in one passage: `words` are for `websearch_to_tsquery`, `signs` is a tsquery."""

    words: str
    signs: str


class Question(Struct, frozen=True, kw_only=True):
    """One of the alternatives is to be there; `runs` are the signs that they look for."""

    alternatives: list[Alternative]
    runs: list[str]

    @property
    def words(self) -> str:
        """Of all of them, as one text for `websearch_to_tsquery`."""
        return f" {_OR} ".join(each.words for each in self.alternatives if each.words)


class _Term(Struct, frozen=True):
    """A word or a phrase of a question, and whether it is not to be there."""

    text: str
    is_phrase: bool
    is_unwanted: bool

    @property
    def runs(self) -> list[str]:
        return _RUNS.findall(self.text)

    @property
    def words(self) -> list[str]:
        """For `websearch_to_tsquery`."""
        pieces = [self.text] if self.is_phrase else _RUNS.sub(" ", self.text).split()
        asked = [word for piece in pieces if (word := self._asked(piece))]
        return [f"-{word}" for word in asked] if self.is_unwanted else asked

    def _asked(self, piece: str) -> str:
        """What stands together in the text, which is more than one word where no space is between them."""
        words = [word.lstrip("-") for word in spaced_of(piece).split()]
        words = [word for word in words if any(sign.isalnum() for sign in word)]
        return f'"{" ".join(words)}"' if len(words) > 1 or (words and self.is_phrase) else "".join(words)

    @property
    def signs(self) -> list[str]:
        return [f"!({_sought(run)})" if self.is_unwanted else f"({_sought(run)})" for run in self.runs]


def passages_of(segments: Iterable[Segment]) -> Iterator[Passage]:
    draft = _Draft()
    for segment in segments:
        for number, word in enumerate(segment.words):
            for piece in _pieces(word, begins_segment=number == 0):
                if draft.length >= CHARACTERS_MAX:
                    yield draft.passage()
                    draft = _Draft()
                draft.add(piece, word.start_ms)
        if draft.length >= CHARACTERS:
            yield draft.passage()
            draft = _Draft()
    if draft.length:
        yield draft.passage()


class _Piece(Struct, frozen=True):
    """Of a word, and whether there is a space before it. Of one that is all space the text is empty."""

    text: str
    is_apart: bool


def _pieces(word: Word, *, begins_segment: bool) -> Iterator[_Piece]:
    text = cleaned(word.text)
    bare = text.lstrip()
    for start in range(0, max(1, len(bare)), WORD_CHARACTERS_MAX):
        is_apart = start == 0 and (begins_segment or len(bare) < len(text))
        yield _Piece(bare[start : start + WORD_CHARACTERS_MAX], is_apart)


class _Draft:
    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[str] = []
        self._times: list[tuple[int, int]] = []

    def add(self, piece: _Piece, start_ms: int) -> None:
        if self.length and piece.is_apart:
            self._append(" ")
        if piece.text:
            self._times.append((self.length, start_ms))
            self._append(piece.text)

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
    return _JOINTS.sub(" ", _RUNS.sub(lambda run: " " * len(run[0]), folded))


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
    alternatives = _alternatives_of(folded_of(cleaned(text)))
    return Question(
        alternatives=[
            Alternative(
                words=" ".join(word for term in terms for word in term.words),
                signs=" & ".join(sign for term in terms for sign in term.signs),
            )
            for terms in alternatives
        ],
        runs=[run for terms in alternatives for term in terms if not term.is_unwanted for run in term.runs],
    )


def _alternatives_of(folded: str) -> list[list[_Term]]:
    """An `or` with nothing before or after it is a word, as PostgreSQL has it."""
    terms = [
        _Term(body.strip('"'), body.startswith('"'), bool(minus)) for minus, body in _TERMS.findall(folded)
    ]
    alternatives: list[list[_Term]] = [[]]
    for number, term in enumerate(terms, 1):
        if term == _Term(_OR, False, False) and alternatives[-1] and number < len(terms):
            alternatives.append([])
        else:
            alternatives[-1].append(term)
    return alternatives


def _sought(run: str) -> str:
    """One sign is found where a pair begins with it."""
    if len(run) == 1:
        return f"'{run}':*"
    return " <-> ".join(f"'{run[at : at + 2]}'" for at in range(len(run) - 1))
