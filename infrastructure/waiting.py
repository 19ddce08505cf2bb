"""Saying what a process waits for: once, again every minute, and that it has come."""

import logging
import time
from collections.abc import Callable
from math import inf
from typing import Final

REMIND_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class Wait:
    """For one thing, which may be away again and again."""

    def __init__(self, what: str, now: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._now = now
        self._began = 0.0
        self._told = -inf

    def goes_on(self, why: object) -> None:
        """Call it at each try that fails, however many there are."""
        now = self._now()
        if self._told == -inf:
            self._began = self._told = now
            logger.warning("waiting for %s: %s", self._what, why)
        elif now - self._told >= REMIND_SECONDS:
            self._told = now
            logger.warning("still waiting for %s, after %.0f s: %s", self._what, now - self._began, why)

    def is_over(self) -> None:
        if self._told != -inf:
            self._told = -inf
            logger.info("%s is there, after %.0f s", self._what, self._now() - self._began)
