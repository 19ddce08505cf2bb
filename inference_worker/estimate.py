"""How far an attempt has come: what the engine said, and between two of its signs an estimate at the pace so far."""

from collections.abc import Callable
from typing import Final

FIRST_PACE: Final = 1.0
"""Seconds of sound in a second, until the engine has shown its own: a slower one is of little use, most are faster."""
KEPT_BACK_SECONDS: Final = 2.0
"""Of a window that is not finished: what was heard in it may be heard again, and that takes time as well."""
MARGIN_SECONDS: Final = 0.5
"""An estimate stays so much before the end of the window in work: that it is finished only the engine can say."""
STRAIGHT_SHARE: Final = 0.5
"""Up to here an estimate goes at the pace; from here on it slows down, and goes on for as long as it is not there."""


class Estimate:
    """Seconds of the recording that are done: never fewer than before, and never past what the engine can be at."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._from_seconds = self._ceiling_seconds = 0.0
        self._since = 0.0
        self._heard_seconds = 0.0
        """The furthest that the engine itself has said."""
        self._began: tuple[float, float] | None = None
        """Where it began to hear, and when: what came before is of other attempts, or of the decoder."""

    def advance(self, done_seconds: float) -> None:
        """So much is done, and what comes next is not in work yet."""
        self._go_on(done_seconds, done_seconds)

    def hear(self, done_seconds: float, end_seconds: float) -> None:
        """The engine has come so far in a window that ends there."""
        if self._began is None:
            self._began = done_seconds, self._monotonic()
        heard_seconds = min(done_seconds, end_seconds - KEPT_BACK_SECONDS)
        self._go_on(heard_seconds, end_seconds - MARGIN_SECONDS)

    @property
    def seconds(self) -> float:
        left_seconds = self._ceiling_seconds - self._from_seconds
        if left_seconds <= 0.0:
            return self._from_seconds
        expected_seconds = self._pace() * (self._monotonic() - self._since)
        estimated_seconds = self._from_seconds + left_seconds * _share(expected_seconds / left_seconds)
        return min(estimated_seconds, self._ceiling_seconds)

    def _go_on(self, heard_seconds: float, ceiling_seconds: float) -> None:
        """What was estimated stands, so that the next estimate moves from there on."""
        self._from_seconds, self._since = max(self.seconds, heard_seconds), self._monotonic()
        self._heard_seconds = max(self._heard_seconds, heard_seconds)
        self._ceiling_seconds = max(ceiling_seconds, self._from_seconds)

    def _pace(self) -> float:
        """Over the whole attempt, at the last sign."""
        if self._began is None:
            return FIRST_PACE
        began_seconds, began_at = self._began
        heard_seconds, took_seconds = self._heard_seconds - began_seconds, self._since - began_at
        return heard_seconds / took_seconds if heard_seconds > 0.0 and took_seconds > 0.0 else FIRST_PACE


def _share(expected: float) -> float:
    """Of what is left, where `expected` would be gone at the pace: nearly all in the end, but never all of it."""
    if expected <= STRAIGHT_SHARE:
        return expected
    return 1.0 - (1.0 - STRAIGHT_SHARE) * STRAIGHT_SHARE / expected
