"""Timing: when cues come and go.

A cue comes with its first word. It stays until it can be read, into silence but never over the next words, and two
frames before the next one it is gone. Only where words came with no time at all do cues move, as little as can be.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from domain.subtitles.layout import GAP_CLOSED_MS, GAP_MS

STEP_MS: Final = 2 * GAP_MS
"""From one cue to the next at least, where the recording has that much time: shown two frames, gone two frames."""


class Spoken(Struct, frozen=True):
    """When what a cue shows is said, and how long it takes to read."""

    start_ms: int
    end_ms: int
    reading_ms: int


def times_of(cues: Sequence[Spoken], recording_ms: int, cue_ms_max: int) -> list[tuple[int, int]]:
    """Start and end of each, in order, without overlap, within the recording.

    `recording_ms` is at least the number of cues.
    """
    starts = _apart([cue.start_ms for cue in cues], recording_ms)
    nexts = [*starts[1:], recording_ms]
    return [
        (start_ms, _end_ms(cue, start_ms, next_ms, cue_ms_max, is_last=at == len(cues)))
        for at, (cue, start_ms, next_ms) in enumerate(zip(cues, starts, nexts, strict=True), 1)
    ]


def _end_ms(cue: Spoken, start_ms: int, next_ms: int, cue_ms_max: int, *, is_last: bool) -> int:
    latest_ms = min(next_ms if is_last else _gone_ms(start_ms, next_ms), start_ms + cue_ms_max)
    end_ms = max(cue.end_ms, start_ms + cue.reading_ms)
    if not is_last and next_ms - end_ms < GAP_CLOSED_MS:
        return latest_ms
    return min(end_ms, latest_ms)


def _gone_ms(start_ms: int, next_ms: int) -> int:
    return max(next_ms - GAP_MS, (start_ms + next_ms + 1) // 2)


def _apart(starts: Sequence[int], recording_ms: int) -> list[int]:
    """The starts a step apart, moved as little as can be (least squares, by pooling neighbours that are too close).

    Less each one's number of steps they only have not to fall; pooling gives the nearest such line in one pass.
    """
    step_ms = min(STEP_MS, recording_ms // len(starts))
    pools: list[tuple[int, int]] = []  # The sum of starts that have become one, and how many they are.
    for number, start_ms in enumerate(starts):
        total, count = start_ms - number * step_ms, 1
        while pools and pools[-1][0] * count >= total * pools[-1][1]:
            total, count = total + pools[-1][0], count + pools[-1][1]
            pools.pop()
        pools.append((total, count))
    level = [total // count for total, count in pools for _ in range(count)]
    latest_ms = recording_ms - len(starts) * step_ms
    return [min(max(0, each), latest_ms) + number * step_ms for number, each in enumerate(level)]
