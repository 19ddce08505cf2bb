"""What of a recording could not be decoded: how much of it there is, and how it is told."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from domain.transcript import Damage, MediaWarning

NEIGHBOURS_MS: Final = 100
"""Between two damages so close to each other nobody says a word."""
WARNINGS_MAX: Final = 100
"""Of one recording: they stand in an event, in a row and in every answer."""


def joined(damages: Iterable[Damage], gap_ms: int = 0) -> list[Damage]:
    """In order, each apart from the next by more than `gap_ms`."""
    found: list[Damage] = []
    for damage in sorted(damages, key=lambda each: each.start_ms):
        if found and damage.start_ms <= found[-1].end_ms + gap_ms:
            last = found[-1]
            found[-1] = Damage(start_ms=last.start_ms, end_ms=max(last.end_ms, damage.end_ms))
        else:
            found.append(damage)
    return found


def damaged_ms(damages: Iterable[Damage], until_ms: int) -> int:
    """How much is missing of what lies before `until_ms`; what two damages share counts once."""
    return sum(max(0, min(each.end_ms, until_ms) - each.start_ms) for each in joined(damages))


def warnings_of(damages: Iterable[Damage]) -> tuple[MediaWarning, ...]:
    """In order, and at most WARNINGS_MAX: with more damages those nearest to each other are told as one."""
    return tuple(
        MediaWarning(from_seconds=each.start_ms / 1000, to_seconds=each.end_ms / 1000)
        for each in _fewer(joined(damages, NEIGHBOURS_MS))
    )


def _fewer(damages: Sequence[Damage]) -> Sequence[Damage]:
    """Cut at the widest gaps, and at no others."""
    if len(damages) <= WARNINGS_MAX:
        return damages
    by_gap = sorted(
        range(1, len(damages)), key=lambda index: damages[index].start_ms - damages[index - 1].end_ms
    )
    cuts = [0, *sorted(by_gap[1 - WARNINGS_MAX :]), len(damages)]
    return [
        Damage(start_ms=damages[first].start_ms, end_ms=damages[after - 1].end_ms)
        for first, after in pairwise(cuts)
    ]
