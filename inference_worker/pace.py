"""How fast a worker is, and so whether one of its slots is about to be free."""

from typing import Final

ASSUMED: Final = 1.0
"""Seconds of sound a second, before anything was finished: no engine worth running is slower."""
AHEAD_SECONDS: Final = 10.0
"""So long before a slot is free the next recording may be sent: it is fetched and decoded in less, mostly.

It is not for longer, since a job that waits in one worker cannot be given to whoever is free first.
"""


class Pace:
    """Seconds of sound a second, as the last attempt went."""

    def __init__(self) -> None:
        self._pace = ASSUMED

    def learn(self, sound_seconds: float, taken_seconds: float) -> None:
        """An attempt did so much in that time."""
        if sound_seconds > 0 and taken_seconds > 0:
            self._pace = sound_seconds / taken_seconds

    def is_nearly_done(self, sound_seconds_left: float) -> bool:
        return sound_seconds_left <= AHEAD_SECONDS * self._pace
