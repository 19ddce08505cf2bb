"""Whether a worker may take another job: after its disk was full it waits, each time for longer, before it tries again."""

from typing import Final

CLOSED_FIRST_SECONDS: Final = 5.0
CLOSED_SECONDS_MAX: Final = 60.0
"""Whoever makes room does not wait for longer than that."""


class Room:
    """Only a job shows whether its recording fits, so one is tried at the end of each pause."""

    def __init__(self) -> None:
        self._closed_until = float("-inf")
        self._pause_seconds = CLOSED_FIRST_SECONDS

    def is_closed(self, now: float) -> bool:
        return now < self._closed_until

    def close(self, now: float) -> float:
        """The disk was full; returns for how many seconds no job is taken. Jobs that were full at once count once."""
        if not self.is_closed(now):
            self._closed_until = now + self._pause_seconds
            self._pause_seconds = min(2 * self._pause_seconds, CLOSED_SECONDS_MAX)
        return self._closed_until - now

    def is_there(self, now: float) -> None:
        """A job has found room. One that found it before the disk was full says nothing of the next."""
        if not self.is_closed(now):
            self._pause_seconds = CLOSED_FIRST_SECONDS
