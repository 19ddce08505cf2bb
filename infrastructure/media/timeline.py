"""Where each piece of sound lies in a recording: the one account of its time, kept by probe and decoder alike."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from domain.transcript import Damage

HOLE_SECONDS: Final = 0.1
"""Sound that comes later than this after the sound before it has silence put between."""
HOLE_SECONDS_MAX: Final = 1800.0
"""A longer hole is no muted microphone but a clock that was set: the sound goes on where it was."""
DAMAGES_MAX: Final = 100
STEP_SECONDS: Final = 0.001
"""Times of frames that follow each other are rounded by less."""


def tolerance_seconds(duration_seconds: float) -> float:
    """How far two measures of one recording may differ: encoders pad, headers round."""
    return min(10.0, 0.5 + 0.01 * duration_seconds)


class Room:
    """How much of a recording may be missing: what `missing` answers, and whatever it took for there but does not decode.

    None is the answer of formats whose frames nobody has counted: there the numbers of frames make no hole, and what was
    lost is as long as it seems. It takes a walk over the recording to know, so it is asked for only when sound is missing.
    """

    def __init__(self, missing: Callable[[], float | None] = lambda: math.inf) -> None:
        self._missing = missing
        self._given = 0.0

    def anew(self) -> "Room":
        return Room(self._missing)

    def give(self, seconds: float) -> None:
        self._given += seconds

    def has(self, jump: float) -> bool:
        missing = self._missing()
        return missing is not None and jump <= missing + self._given

    def take(self, gap: float, lost: float) -> float:
        """Of the two the longer, as far as there is room for it."""
        missing = self._missing()
        hole = lost if missing is None else max(0.0, min(max(gap, lost), missing + self._given))
        self._given -= hole
        return hole


class Timeline:
    """Pieces of sound one after the other, in seconds; what is missing between them is silence.

    Times of packets alone do not do: they jump, restart and are rounded. Lengths alone do not do either: a
    muted track has no packets. So a piece follows the one before, unless its own time leaves a hole.
    """

    def __init__(
        self, start: float | None = None, *, damages_only: bool = False, room: Room | None = None
    ) -> None:
        """`start` is when the recording begins where that may be before its first sound.

        With `damages_only` the format knows no pauses: each hole was sound once. Holes take no more than the room.
        """
        self.position = 0.0
        """How long the recording is so far, with its silences."""
        self.damages = Damages()
        self._damages_only = damages_only
        self._room = room or Room()
        self._start = start
        self._offset: float | None = None
        self._last = -math.inf
        self._end = 0.0
        self._lost = 0.0
        self._stumbled = False

    def lose(self, seconds: float, counted_seconds: float | None = None) -> None:
        """A packet that cannot be decoded, or what is in its place. It counts when sound comes after it: files end in junk.

        `counted_seconds` is what it counts as where packets are only counted, if that differs.
        """
        self._stumbled = True
        self._lost += min(seconds, HOLE_SECONDS_MAX)
        self._room.give(seconds if counted_seconds is None else counted_seconds)

    def anew(self) -> "Timeline":
        """The same rules, from the beginning."""
        return Timeline(self._start, damages_only=self._damages_only, room=self._room.anew())

    def stumble(self) -> None:
        """Bytes were passed over: a hole before the next piece is no pause."""
        self._stumbled = True

    def place(self, pts: float | None, seconds: float) -> float:
        """Returns how much silence to put before this piece of sound."""
        hole = self._hole_before(pts)
        if hole and (self._stumbled or self._damages_only):
            self.damages.add(self.position, self.position + hole)
        self._stumbled, self._lost = False, 0.0
        self.position += hole + seconds
        if pts is not None:
            self._last, self._end = pts, pts + seconds
        return hole

    def finish(self) -> float:
        """What was lost at the very end, where the container says that there should be sound."""
        lost = 0.0 if self._damages_only or self._lost <= HOLE_SECONDS else self._lost
        if lost:
            self.damages.add(self.position, self.position + lost)
        self.position += lost
        self._lost = 0.0
        return lost

    def _hole_before(self, pts: float | None) -> float:
        gap = 0.0 if pts is None else self._gap(pts)
        # Where time is only counted, the clock does not know what was lost; elsewhere it knows better.
        lost = self._lost if pts is None or self._damages_only else 0.0
        if self._damages_only and not self.position:
            lost = 0.0
        return self._room.take(gap, lost) if max(gap, lost) > HOLE_SECONDS else 0.0

    def _gap(self, pts: float) -> float:
        jump = pts - self._end
        if self._offset is None:
            self._begin(pts)
        elif pts < self._last - HOLE_SECONDS or jump > HOLE_SECONDS_MAX:
            self._offset = self.position + self._lost - pts  # the clock was set
        elif jump > STEP_SECONDS and not self._room.has(jump):
            self._offset = self.position - pts
        assert self._offset is not None
        return max(0.0, pts + self._offset - self.position)

    def _begin(self, pts: float) -> None:
        origin = pts if self._start is None else self._start
        if self._damages_only or not 0 <= pts - origin <= HOLE_SECONDS_MAX:
            origin = pts
        self._offset = -origin


class Damages:
    """Stretches that could not be decoded, in order, neighbours made one."""

    def __init__(self) -> None:
        self._stretches: list[tuple[float, float]] = []
        self.lost_seconds = 0.0

    def add(self, start: float, end: float) -> None:
        self.lost_seconds += end - start
        if self._stretches and start - self._stretches[-1][1] < HOLE_SECONDS:
            start = self._stretches.pop()[0]
        self._stretches.append((start, end))
        if len(self._stretches) > DAMAGES_MAX:
            self._join_the_nearest()

    def _join_the_nearest(self) -> None:
        stretches = self._stretches
        gaps = [after[0] - before[1] for before, after in pairwise(stretches)]
        at = gaps.index(min(gaps))
        stretches[at : at + 2] = [(stretches[at][0], stretches[at + 1][1])]

    def listed(self) -> tuple[Damage, ...]:
        return tuple(
            Damage(start_ms=round(start * 1000), end_ms=round(end * 1000)) for start, end in self._stretches
        )
