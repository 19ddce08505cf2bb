"""How many made-up API keys one source may show: anybody can write one that takes a look in the log."""

import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final

from api.rejections import TooManyTries

GUESSES_MAX: Final = 100
"""Within a window. Whoever has a wrong key does not try so many, and guessing is hopeless with any number."""
WINDOW_SECONDS: Final = 60.0
SOURCES_MAX: Final = 10_000


class KeyGuesses:
    """Counted in this process alone: it is its looks that are spared."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def require_allowance(self, source: str) -> None:
        """Raises TooManyTries."""
        ends_at, count = self._window(source)
        if count >= GUESSES_MAX:
            raise TooManyTries(ceil(ends_at - self._monotonic()))

    def count(self, source: str) -> None:
        ends_at, count = self._window(source)
        self._windows[source] = ends_at, count + 1
        if len(self._windows) > SOURCES_MAX:
            self._windows.popitem(last=False)

    def _window(self, source: str) -> tuple[float, int]:
        now = self._monotonic()
        ends_at, count = self._windows.get(source, (0.0, 0))
        return (ends_at, count) if now < ends_at else (now + WINDOW_SECONDS, 0)
