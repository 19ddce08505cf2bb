"""An answer that serves everybody who asks for a moment, since finding it out costs something."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Kept(Generic[Answer]):
    """Looks once in `seconds`, however many ask, and never twice at the same time.

    The look goes on when the one who asked first goes away. What it raises is kept like an answer, unless told otherwise.
    """

    def __init__(
        self, look: Callable[[], Awaitable[Answer]], seconds: float, *, keep_failures: bool = True
    ) -> None:
        self._look = look
        self._seconds = seconds
        self._keep_failures = keep_failures
        self._looking: asyncio.Task[Answer] | None = None
        self._ended_at = -inf

    async def answer(self) -> Answer:
        if self._looking is None or self._is_old(self._looking):
            self._looking = asyncio.create_task(self._timed_look(), name="a look that is kept")
        return await asyncio.shield(self._looking)

    def _is_old(self, looking: asyncio.Task[Answer]) -> bool:
        if not looking.done():
            return False
        has_failed = looking.cancelled() or looking.exception() is not None
        if has_failed and not self._keep_failures:
            return True
        return time.monotonic() - self._ended_at > self._seconds

    async def _timed_look(self) -> Answer:
        try:
            return await self._look()
        finally:
            self._ended_at = time.monotonic()
