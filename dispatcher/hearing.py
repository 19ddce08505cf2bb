"""Whether silence means anything: a dispatcher that heard nobody cannot tell who fell silent."""

import time
from collections.abc import Callable


class Hearing:
    """Workers that are alive report every few seconds, so whoever has heard anybody steadily would have heard all.

    While Kafka or this dispatcher was away, nobody could be heard, and no lease may be ended for it. When it is back
    some are heard again later than others: each gets `return_seconds`. So they do after the database's clock, by which
    leases run out, has jumped: it was set, or the machine has slept.
    """

    def __init__(
        self,
        pause_seconds_max: float,
        return_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pause_seconds_max = pause_seconds_max
        self._return_seconds = max(return_seconds, pause_seconds_max)
        self._monotonic = monotonic
        self._since = self._last = float("-inf")
        self._ahead: float | None = None
        """How far the database's clock is ahead of this process's."""

    def compare(self, clock_seconds: float) -> bool:
        """Whether the database's clock, which shows this now, has jumped since it was last looked at."""
        now = self._monotonic()
        before, self._ahead = self._ahead, clock_seconds - now
        if before is None or abs(self._ahead - before) <= self._pause_seconds_max:
            return False
        self._since = now
        return True

    def hear(self) -> None:
        """Reports have arrived and are taken."""
        now = self._monotonic()
        if now - self._last > self._pause_seconds_max:
            self._since = now
        self._last = now

    @property
    def steady_seconds(self) -> float:
        """For how long somebody has been heard without a pause that is too long; 0 for who hears nobody."""
        now = self._monotonic()
        return now - self._since if now - self._last <= self._pause_seconds_max else 0.0

    @property
    def is_steady(self) -> bool:
        """Whether everybody who is alive must have been heard."""
        return self.steady_seconds >= self._return_seconds
