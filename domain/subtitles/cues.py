"""Cues: the words of a transcript, divided where a reader would pause, each part with the time it is shown.

The division is the best one over each stretch of speech, not the first that fits: every cue costs a little, and more
where it ends badly, holds little text, or leaves no time to read it.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from domain.subtitles.breaks import AFTER_SENTENCE, ANYWHERE
from domain.subtitles.layout import GAP_MS, LAYOUT_DEFAULT, Layout, reading_ms
from domain.subtitles.lines import Text
from domain.subtitles.timing import Spoken, times_of
from domain.subtitles.units import Unit, units_of
from domain.subtitles.uttered import uttered
from domain.transcript import Transcript

PAUSE_MS: Final = 1_000
"""A silence this long between two words ends a cue, so that no text is shown long before it is said."""

_CUE: Final = 10.0
_SPARSE: Final = 12.0
"""For a cue with hardly any text; by the square, so that two even ones are better than a full and a sparse one."""
_MIXED: Final = 8.0
"""For the end of one sentence with the beginning of the next: better a whole one, or two."""
_RUSHED: Final = 40.0
"""For a cue that is gone as soon as it comes; in proportion to what lacks for reading it."""
_ENDS_MAX: Final = 20
"""Of the places where a cue may end as well as anywhere so many are tried: scripts without spaces have one a sign."""
_NEVER: Final = float("inf")


class Cue(Struct, frozen=True, kw_only=True):
    """Lines shown from `start_ms`, when the first word is said, to `end_ms`; `text` is the same in one line."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    text: str


def cues_of(transcript: Transcript, layout: Layout = LAYOUT_DEFAULT) -> list[Cue]:
    """Cues in order, none overlapping the next, every word of the transcript in exactly one.

    They end within the recording and have at most `lines_max` lines, unless there are more cues than milliseconds;
    a line is no wider than `line_cells_max` cells, unless it is one sign.
    """
    words = list(transcript.words)
    recording_ms = max(1, transcript.duration_ms or max((word.end_ms for word in words), default=0))
    units = units_of(uttered(words, recording_ms), layout.line_cells_max)
    text = Text(units, transcript.language, layout)
    if not units:
        return []
    parts = _within(recording_ms, _divide(text))
    times = times_of([_spoken(text, *part) for part in parts], recording_ms, layout.cue_ms_max)
    return [
        Cue(start_ms=start_ms, end_ms=end_ms, lines=text.lines(*part), text=text.line(*part))
        for (start_ms, end_ms), part in zip(times, parts, strict=True)
    ]


def _within(recording_ms: int, parts: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """No more cues than milliseconds, each of which has to hold one; of what nobody can read, nothing is lost."""
    size = -(-len(parts) // recording_ms)
    if size == 1:
        return parts
    return [
        (group[0][0], group[-1][1])
        for group in (parts[at : at + size] for at in range(0, len(parts), size))
    ]


def _spoken(text: Text, first: int, end: int) -> Spoken:
    end_ms = max(unit.end_ms for unit in text.units[first:end])
    return Spoken(text.units[first].start_ms, end_ms, reading_ms(text.cells(first, end)))


def _divide(text: Text) -> list[tuple[int, int]]:
    stretches = pairwise([0, *_pauses(text.units), len(text.units)])
    return [part for stretch in stretches for part in _Division(text, *stretch).parts()]


def _pauses(units: Sequence[Unit]) -> Iterator[int]:
    for at, (before, after) in enumerate(pairwise(units), 1):
        if after.start_ms - before.end_ms >= PAUSE_MS:
            yield at


class _Division:
    """The cheapest division of a stretch of speech into cues, found from its start forwards."""

    def __init__(self, text: Text, first: int, end: int) -> None:
        self._text = text
        self._first = first
        self._end = end
        self._full = text.layout.line_cells_max * text.layout.lines_max

    def parts(self) -> list[tuple[int, int]]:
        size = self._end - self._first
        costs = [0.0, *[_NEVER] * size]
        begins = [0] * (size + 1)
        for at in range(size):
            if costs[at] == _NEVER:
                continue
            for end, cost in self._cues(self._first + at):
                place = end - self._first
                if costs[at] + cost < costs[place]:
                    costs[place], begins[place] = costs[at] + cost, at
        return list(reversed(list(self._back(begins))))

    def _back(self, begins: Sequence[int]) -> Iterator[tuple[int, int]]:
        end = len(begins) - 1
        while end:
            yield self._first + begins[end], self._first + end
            end = begins[end]

    def _cues(self, first: int) -> Iterator[tuple[int, float]]:
        """Where a cue may end that begins with `first`, and what it costs."""
        units, layout = self._text.units, self._text.layout
        last = min(self._text.end_of_lines(first, layout.lines_max), self._end)
        latest_ms = units[first].start_ms + layout.cue_ms_max
        while last > first + 1 and units[last - 1].end_ms > latest_ms:
            last -= 1
        stride = 1 + (last - first) // _ENDS_MAX
        for end in range(first + 1, last + 1):
            if end % stride == 0 or end == last or self._text.breaks[end - 1] < ANYWHERE:
                yield end, self._cost(first, end)

    def _cost(self, first: int, end: int) -> float:
        units = self._text.units
        cells = self._text.cells(first, end)
        emptiness = max(0.0, 1 - cells / self._full)
        needed_ms = reading_ms(cells)
        next_ms = units[end].start_ms if end < len(units) else units[end - 1].end_ms + needed_ms
        lacking_ms = max(0, needed_ms - max(0, next_ms - GAP_MS - units[first].start_ms))
        ending = self._text.breaks[end - 1] if end < self._end else AFTER_SENTENCE
        mixed = _MIXED if ending != AFTER_SENTENCE and self._text.has_sentence_end(first, end) else 0
        return _CUE + ending + mixed + _SPARSE * emptiness**2 + _RUSHED * lacking_ms / needed_ms
