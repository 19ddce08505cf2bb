"""Lines of those who want to change the same thing, which takes more than deciding: one after the other, within bounds."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from commands.turns import LINE_SECONDS_MAX, WAITING_MAX, TooManyAtOnce


class Lines:
    """Within a process. Between processes whoever is second finds that out when it appends."""

    def __init__(self, *, seconds_max: float = LINE_SECONDS_MAX, waiting_max: int = WAITING_MAX) -> None:
        self._seconds_max = seconds_max
        self._waiting_max = waiting_max
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._waiting: Counter[UUID] = Counter()

    @asynccontextmanager
    async def turn(self, subject_id: UUID) -> AsyncIterator[None]:
        """Raises TooManyAtOnce where too many wait, or for too long."""
        lock = self._locks.setdefault(subject_id, asyncio.Lock())
        await self._wait(subject_id, lock)
        try:
            yield
        finally:
            lock.release()

    async def _wait(self, subject_id: UUID, lock: asyncio.Lock) -> None:
        if self._waiting[subject_id] >= self._waiting_max:
            raise TooManyAtOnce
        self._waiting[subject_id] += 1
        try:
            async with asyncio.timeout(self._seconds_max):
                await lock.acquire()
        except TimeoutError:
            raise TooManyAtOnce from None
        finally:
            self._waiting[subject_id] -= 1
            if not self._waiting[subject_id]:
                del self._waiting[subject_id]
