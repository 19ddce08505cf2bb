"""Uttered: many words typed where the sound leaves no time for them take some from the words beside them.

Kept words keep their times in the transcript. But a screenful of text that has no time of its own would flash by, so
for the cues it shares its neighbours' time and the silence after them: the word before and the one after are then
shown a little too early or late, and no other word is moved.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec.structs import replace

from domain.cells import cells, shares, shown
from domain.edits import CELL_MS
from domain.subtitles.layout import LINE_CELLS_DEFAULT
from domain.transcript import Word


def uttered(words: Iterable[Word], recording_ms: int) -> list[Word]:
    """The words with the times that cues are to go by."""
    spoken = list(words)
    for first, end in _typed(spoken):
        width = sum(_width(word) for word in spoken[first:end])
        span_ms = spoken[end - 1].end_ms - spoken[first].start_ms
        if width > LINE_CELLS_DEFAULT and span_ms < width * CELL_MS:
            _share(spoken, max(0, first - 1), min(len(spoken), end + 1), recording_ms)
    return spoken


def _typed(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Where words of estimated time begin and end."""
    at = 0
    for is_estimated, group in groupby(words, key=lambda word: word.timing == "estimated"):
        size = sum(1 for _ in group)
        if is_estimated:
            yield at, at + size
        at += size


def _share(words: list[Word], first: int, end: int, recording_ms: int) -> None:
    """All of their time, and of the silence after them as much as they need."""
    weights = [_width(word) for word in words[first:end]]
    start_ms = words[first].start_ms
    silent_ms = words[end].start_ms if end < len(words) else recording_ms
    end_ms = max(words[end - 1].end_ms, min(silent_ms, start_ms + sum(weights) * CELL_MS))
    for at, span in enumerate(shares(start_ms, end_ms, weights), first):
        words[at] = replace(words[at], start_ms=span[0], end_ms=span[1])


def _width(word: Word) -> int:
    return cells(shown(word.text)) + 1
