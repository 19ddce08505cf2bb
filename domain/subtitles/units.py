"""Units: what a line never breaks: a word with all that is written to it, or one sign of a script without spaces."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from domain.cells import cells, graphemes, shown
from domain.tokens import is_unspaced
from domain.transcript import Word

_NEVER_FIRST: Final = frozenset(
    "、。，．・：；？！」』）】〕〉》｝］”’…‥ー々ゝゞヽヾ゛゜ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
    "ะาำๆฯ.,:;?!)]}%»"
)
"""No line begins with these (JIS X 4051 and the Thai rules have it so): they close what is before them."""
_NEVER_LAST: Final = frozenset("「『（【〔〈《｛［“‘([{«¿¡เแโใไ")

_SIGN_MAX: Final = 16
"""Code points that have to be seen on either side to tell whether a sign goes on."""


class Unit(Struct, frozen=True):
    """`spaced` says whether a space stands before it; `joined` whether it goes on what the unit before began."""

    text: str
    cells: int
    spaced: bool
    start_ms: int
    end_ms: int
    joined: bool = False


class _Piece(Struct, frozen=True):
    """A stretch of a word without white space."""

    text: str
    spaced: bool
    start_ms: int
    end_ms: int


def units_of(words: Sequence[Word], line_cells_max: int) -> list[Unit]:
    """None wider than a line, unless a single sign is. Words that print nothing leave nothing."""
    return [unit for run in _runs(_pieces(words)) for unit in _fitting(run, line_cells_max)]


def _pieces(words: Sequence[Word]) -> Iterator[_Piece]:
    spaced = False
    for word in words:
        text = shown(word.text)
        spaced = spaced or word.text[:1].isspace()
        if not text:
            continue
        first, *others = text.split(" ")
        yield _Piece(first, spaced, word.start_ms, word.end_ms)
        yield from (_Piece(each, True, word.start_ms, word.end_ms) for each in others)
        spaced = word.text[-1:].isspace()


def _runs(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces that stand together in any case."""
    run: list[_Piece] = []
    for piece in pieces:
        if run and (piece.spaced or _may_part(run[-1].text, piece.text)):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _may_part(before: str, after: str) -> bool:
    """Whether a line may end between what is written without a space between."""
    if not (is_unspaced(before[-1]) or is_unspaced(after[0])):
        return False
    if before[-1] in _NEVER_LAST or after[0] in _NEVER_FIRST:
        return False
    edges = before[-_SIGN_MAX:], after[:_SIGN_MAX]
    return len(graphemes("".join(edges))) == len(graphemes(edges[0])) + len(graphemes(edges[1]))


def _fitting(run: Sequence[_Piece], line_cells_max: int) -> Iterator[Unit]:
    text = run[0].text if len(run) == 1 else "".join(piece.text for piece in run)
    width = cells(text)
    if width == 0:
        return
    if width <= line_cells_max:
        end_ms = max(piece.end_ms for piece in run)
        yield Unit(text, width, run[0].spaced, run[0].start_ms, end_ms)
    else:
        yield from _parted(run, graphemes(text), line_cells_max)


def _parted(run: Sequence[_Piece], signs: Sequence[str], line_cells_max: int) -> Iterator[Unit]:
    """A run wider than a line, parted between words where one ends in time, and else between signs."""
    moments = _Moments(run)
    begin, begin_at, joined = 0, 0, False
    ends = list(accumulate(len(sign) for sign in signs))
    while begin < len(signs):
        end = _end_of_part(signs, begin, line_cells_max, ends, moments)
        text = "".join(signs[begin:end])
        start_ms, end_ms = moments.after(begin_at), moments.before(ends[end - 1])
        yield Unit(text, cells(text), run[0].spaced and not joined, start_ms, end_ms, joined)
        begin, begin_at, joined = end, ends[end - 1], True


def _end_of_part(
    signs: Sequence[str], begin: int, line_cells_max: int, ends: Sequence[int], moments: "_Moments"
) -> int:
    room, end = line_cells_max, begin
    while end < len(signs) and (room := room - cells(signs[end])) >= 0:
        end += 1
    end = max(end, begin + 1)
    if end == len(signs):
        return end
    for earlier in range(end, begin, -1):
        if moments.is_end(ends[earlier - 1]):
            return earlier
    for earlier in range(end, max(begin, end - 4), -1):
        if signs[earlier - 1] not in _NEVER_LAST and signs[earlier] not in _NEVER_FIRST:
            return earlier
    return end


class _Moments:
    """When each sign of a run is said, the signs of a word sharing its time."""

    def __init__(self, run: Sequence[_Piece]) -> None:
        self._run = run
        self._ends = list(accumulate(len(piece.text) for piece in run))
        self._words = frozenset(self._ends)

    def is_end(self, at: int) -> bool:
        return at in self._words

    def after(self, at: int) -> int:
        """When the sign that begins here begins."""
        return self._at(bisect_right(self._ends, at), at)

    def before(self, at: int) -> int:
        """When the sign that ends here ends."""
        return self._at(bisect_left(self._ends, at), at)

    def _at(self, number: int, at: int) -> int:
        piece = self._run[number]
        before = self._ends[number] - len(piece.text)
        return piece.start_ms + (piece.end_ms - piece.start_ms) * (at - before) // len(piece.text)
