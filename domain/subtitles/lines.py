"""Lines: as few as the text needs, about as long as each other, each ending where a reader would break."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

from msgspec import Struct

from domain.subtitles.breaks import AFTER_SENTENCE, breaks_after
from domain.subtitles.layout import Layout
from domain.subtitles.units import Unit

_UNBALANCED: Final = 30
"""What a line that is wholly empty costs beside a full one; less than a break inside a number does."""


class Text:
    """Units with their breaks: how wide any stretch of them is, and how to break it into lines."""

    def __init__(self, units: Sequence[Unit], language: str, layout: Layout) -> None:
        self.units = units
        self.breaks = breaks_after(units, language)
        self.layout = layout
        self._ends = list(accumulate((unit.cells + unit.spaced for unit in units), initial=0))
        self._sentences = list(accumulate((cost == AFTER_SENTENCE for cost in self.breaks), initial=0))

    def cells(self, first: int, end: int) -> int:
        """The width of the units from `first` to before `end` in one line."""
        return self._ends[end] - self._ends[first] - self.units[first].spaced

    def has_sentence_end(self, first: int, end: int) -> bool:
        return self._sentences[end] > self._sentences[first]

    def end_of_line(self, first: int) -> int:
        """How far a line goes that begins with `first`: at least one unit."""
        room = self._ends[first] + self.units[first].spaced + self.layout.line_cells_max
        return max(first + 1, bisect_right(self._ends, room) - 1)

    def end_of_lines(self, first: int, lines: int) -> int:
        for _ in range(lines):
            if first == len(self.units):
                break
            first = self.end_of_line(first)
        return first

    def lines(self, first: int, end: int) -> tuple[str, ...]:
        """The units from `first` to before `end`."""
        fits = self.end_of_lines(first, self.layout.lines_max) >= end
        edges = [first, *(_Breaking(self, first, end).edges() if fits else self._filled(first, end))]
        return tuple(self.line(*edge) for edge in pairwise(edges))

    def _filled(self, first: int, end: int) -> Iterator[int]:
        """Where lines end that are simply full: what is too much to read needs no more care."""
        while first < end:
            first = min(end, self.end_of_line(first))
            yield first

    def line(self, first: int, end: int) -> str:
        """The units from `first` to before `end` in one line, however wide."""
        return "".join(
            f" {unit.text}" if unit.spaced else unit.text for unit in self.units[first:end]
        ).lstrip()


class _Best(Struct, frozen=True):
    cost: float
    edges: tuple[int, ...]


class _Breaking:
    """The best way to break a stretch into the fewest lines, found from its end backwards."""

    def __init__(self, text: Text, first: int, end: int) -> None:
        self._text = text
        self._first = first
        self._end = end
        self._count = self._fewest()
        self._even = text.cells(first, end) / self._count
        self._known: dict[tuple[int, int], _Best | None] = {}

    def edges(self) -> tuple[int, ...]:
        """Where each line ends."""
        best = self._best(self._first, self._count)
        assert best is not None, "the fewest lines fit"
        return best.edges

    def _fewest(self) -> int:
        count, at = 0, self._first
        while at < self._end:
            count, at = count + 1, self._text.end_of_line(at)
        return count

    def _best(self, first: int, lines: int) -> _Best | None:
        """None when what is left is too much for so few lines."""
        if lines == 1:
            fits = self._text.end_of_line(first) >= self._end
            return _Best(self._unevenness(first, self._end), (self._end,)) if fits else None
        key = first, lines
        if key not in self._known:
            self._known[key] = min(self._ways(first, lines), key=lambda each: each.cost, default=None)
        return self._known[key]

    def _ways(self, first: int, lines: int) -> Iterator[_Best]:
        last = min(self._text.end_of_line(first), self._end - lines + 1)
        for end in range(first + 1, last + 1):
            rest = self._best(end, lines - 1)
            if rest is not None:
                cost = self._text.breaks[end - 1] + self._unevenness(first, end) + rest.cost
                yield _Best(cost, (end, *rest.edges))

    def _unevenness(self, first: int, end: int) -> float:
        """By the square, so that a little costs next to nothing and a good break wins."""
        return _UNBALANCED * ((self._text.cells(first, end) - self._even) / self._even) ** 2
