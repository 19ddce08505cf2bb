"""Snippets: the place of a passage where what was asked for stands closest together, and when it was said."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

BEGIN: Final = "\x02"
END: Final = "\x03"
"""Around what is found. No passage has them."""
BEFORE_CHARACTERS: Final = 50
CHARACTERS: Final = 180

_MARKS: Final = re.compile(f"[{BEGIN}{END}]")


class Part(Struct, frozen=True, kw_only=True):
    """Some of the text, and whether it is what was asked for."""

    text: str
    match: bool


class Snippet(Struct, frozen=True, kw_only=True):
    start_ms: int
    parts: tuple[Part, ...]


class Span(Struct, frozen=True, order=True):
    start: int
    end: int


def spans_marked(marked: str, plain: str) -> list[Span]:
    """Where the marks stand in the text without them; none where that is not the text."""
    if _MARKS.sub("", marked) != plain:
        return []
    places = [match.start() - before for before, match in enumerate(_MARKS.finditer(marked))]
    return [Span(start, end) for start, end in zip(places[::2], places[1::2], strict=True)]


def spans_of(runs: Sequence[str], folded: str) -> list[Span]:
    """Every place at which one of the runs stands."""
    return [
        Span(match.start(), match.end()) for run in runs for match in re.finditer(re.escape(run), folded)
    ]


def snippet_of(text: str, folded: str, times: Sequence[tuple[int, int]], spans: Sequence[Span]) -> Snippet:
    """Around where most of what was asked for stands; without any, from the beginning."""
    apart = _without_overlaps(spans)
    first = _densest(apart, folded) if apart else Span(0, 0)
    start = _begin(text, max(0, first.start - BEFORE_CHARACTERS), first.start)
    end = _end(text, max(first.end, start + CHARACTERS))
    return Snippet(
        start_ms=_time_at(times, first.start),
        parts=tuple(_parts(text, start, end, [each for each in apart if start <= each.start < end])),
    )


def _without_overlaps(spans: Sequence[Span]) -> list[Span]:
    apart: list[Span] = []
    for span in sorted(set(spans)):
        if not apart or span.start >= apart[-1].end:
            apart.append(span)
    return apart


def _densest(spans: Sequence[Span], folded: str) -> Span:
    """The first of those that have most different words after them within a snippet."""
    words = [folded[each.start : each.end] for each in spans]
    starts = [each.start for each in spans]
    all_of_them = len(set(words))
    best, most = spans[0], 0
    for first, span in enumerate(spans):
        beyond = bisect_left(starts, span.start + CHARACTERS - BEFORE_CHARACTERS)
        if (different := len(set(words[first:beyond]))) > most:
            best, most = span, different
        if most == all_of_them:
            break
    return best


def _begin(text: str, earliest: int, latest: int) -> int:
    """At the beginning of a word, where there is one."""
    if earliest == 0:
        return 0
    space = text.find(" ", earliest - 1, latest)
    return space + 1 if space >= 0 else earliest


def _end(text: str, latest: int) -> int:
    if latest >= len(text):
        return len(text)
    space = text.rfind(" ", latest - CHARACTERS // 2, latest)
    return space if space >= 0 else latest


def _parts(text: str, start: int, end: int, spans: Sequence[Span]) -> list[Part]:
    parts: list[Part] = []
    place = start
    for span in spans:
        parts += [
            Part(text=text[place : span.start], match=False),
            Part(text=text[span.start : span.end], match=True),
        ]
        place = span.end
    parts.append(Part(text=text[place : max(place, end)], match=False))
    return [part for part in parts if part.text]


def _time_at(times: Sequence[tuple[int, int]], place: int) -> int:
    """When the word was said that stands there."""
    number = bisect_right(times, place, key=lambda pair: pair[0]) - 1
    return times[max(number, 0)][1] if times else 0
