"""Saying what is wrong once, and again every minute for as long as it lasts."""

import logging
import time
from collections.abc import Callable
from typing import Final

AGAIN_SECONDS: Final = 60.0


class Complaints:
    """Warnings about things that are tried again and again: a line for each try would hide all others."""

    def __init__(
        self,
        logger: logging.Logger,
        again_seconds: float = AGAIN_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._again_seconds = again_seconds
        self._monotonic = monotonic
        self._told_at: dict[str, float] = {}

    def warn(self, about: str, message: str, *arguments: object) -> None:
        """Logs the message, unless something was said `about` the same within the last minute."""
        now = self._monotonic()
        if now - self._told_at.get(about, float("-inf")) >= self._again_seconds:
            self._told_at[about] = now
            self._logger.warning(message, *arguments)

    def settle(self, about: str) -> None:
        """It is over: should it begin again, that is said at once."""
        self._told_at.pop(about, None)
