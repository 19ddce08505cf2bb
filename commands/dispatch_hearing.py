"""Whether silence means anything: a dispatcher that heard nobody cannot tell who fell silent."""

import time
from collections.abc import Callable


class Hearing:
    """Workers that are alive report every few seconds, so whoever has heard anybody steadily would have heard all.

    While Kafka or this dispatcher was away, nobody could be heard, and no lease may be ended for it.
    """

    def __init__(self, steady_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._steady_seconds = steady_seconds
        self._monotonic = monotonic
        self._since = self._last = float("-inf")

    def hear(self) -> None:
        """Reports have arrived and are taken."""
        now = self._monotonic()
        if now - self._last > self._steady_seconds:
            self._since = now
        self._last = now

    @property
    def is_steady(self) -> bool:
        now = self._monotonic()
        return now - self._last <= self._steady_seconds <= now - self._since
