"""Saying what a process waits for: once, again every minute, and that it has come."""

import logging
import time
from collections.abc import Callable

from infrastructure.complaints import Complaints

logger = logging.getLogger(__name__)


class Wait:
    """For one thing, which may be away again and again."""

    def __init__(self, what: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._monotonic = monotonic
        self._began: float | None = None
        self._complaints = Complaints(logger, monotonic=monotonic)

    def goes_on(self, why: object) -> None:
        """Call it at each try that fails, however many there are."""
        self._began = self._monotonic() if self._began is None else self._began
        seconds = self._monotonic() - self._began
        self._complaints.warn(self._what, "waiting for %s, for %.0f s now: %s", self._what, seconds, why)

    def is_over(self) -> None:
        if self._began is not None:
            logger.info("%s is there, after %.0f s", self._what, self._monotonic() - self._began)
            self._began = None
            self._complaints.settle(self._what)
