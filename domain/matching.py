"""Matching: which words of a text stand in another, by the shortest edit from the one to the other, or nearly that where both are long."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from msgspec import Struct
from rapidfuzz.distance import Levenshtein

EDITS_EXPECTED: Final = 64
"""Words people change at once; up to here, hours of speech are matched a hundred times as fast. More is fine too."""
WORDS_AT_ONCE: Final = 8_000
"""Of each text: the time grows with both multiplied, and no other thread of the process does anything meanwhile."""
RUN: Final = 8
"""So many words in a row, where they stand once in either text, are taken to be the same."""

Place: TypeAlias = tuple[int, int]
"""In the one text and in the other."""


class Match(Struct, frozen=True):
    """So many words in a row, from `before` on in the one text and from `after` on in the other."""

    before: int
    after: int
    count: int


def matches(before: Sequence[str], after: Sequence[str]) -> Iterator[Match]:
    """In their order. Words are the same where they are equal."""
    for begin, end in _pieces(before, after):
        pair = before[begin[0] : end[0]], after[begin[1] : end[1]]
        for step in Levenshtein.opcodes(*pair, score_hint=EDITS_EXPECTED):
            if step.tag == "equal":
                count = step.src_end - step.src_start
                yield Match(begin[0] + step.src_start, begin[1] + step.dest_start, count)


def _pieces(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[Place, Place]]:
    """Long texts are cut where runs of both are the same, and in proportion where there are none for too long."""
    whole = len(before), len(after)
    if not _is_long((0, 0), whole) or _are_nearly_equal(before, after):
        yield (0, 0), whole
        return
    begin = reached = (0, 0)
    for place in (*_places_alike(before, after), whole):
        if reached != begin and _is_long(begin, place):
            yield from _cut(begin, reached)
            begin = reached
        reached = place
    yield from _cut(begin, reached)


def _is_long(begin: Place, end: Place) -> bool:
    return _longer(begin, end) > WORDS_AT_ONCE


def _longer(begin: Place, end: Place) -> int:
    return max(end[0] - begin[0], end[1] - begin[1])


def _are_nearly_equal(before: Sequence[str], after: Sequence[str]) -> bool:
    return Levenshtein.distance(before, after, score_cutoff=EDITS_EXPECTED) <= EDITS_EXPECTED


def _cut(begin: Place, end: Place) -> Iterator[tuple[Place, Place]]:
    count = max(1, -(-_longer(begin, end) // WORDS_AT_ONCE))
    edges = [
        (
            begin[0] + (end[0] - begin[0]) * number // count,
            begin[1] + (end[1] - begin[1]) * number // count,
        )
        for number in range(count + 1)
    ]
    yield from pairwise(edges)


def _places_alike(before: Sequence[str], after: Sequence[str]) -> list[Place]:
    """Where runs begin that stand once in either text, as many of them as are in the same order in both."""
    known = _standing_once(before)
    return _rising((known[run], place) for run, place in _standing_once(after).items() if run in known)


def _standing_once(words: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Where each begins, in their order."""
    places: dict[tuple[str, ...], int | None] = {}
    for place in range(len(words) - RUN + 1):
        run = tuple(words[place : place + RUN])
        places[run] = None if run in places else place
    return {run: place for run, place in places.items() if place is not None}


def _rising(places: Iterable[Place]) -> list[Place]:
    """The longest part of them in which both rise; the second rises already (patience sorting)."""
    all_of_them = list(places)
    lowest: list[int] = []
    last_of: list[int] = []
    previous: list[int | None] = []
    for number, (place, _) in enumerate(all_of_them):
        length = bisect_left(lowest, place)
        previous.append(last_of[length - 1] if length else None)
        lowest[length : length + 1] = [place]
        last_of[length : length + 1] = [number]
    rising: list[Place] = []
    at = last_of[-1] if last_of else None
    while at is not None:
        rising.append(all_of_them[at])
        at = previous[at]
    return rising[::-1]
