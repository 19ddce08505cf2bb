"""Whose upload is probed next: a few at a time in all, of each user one after the other, and long ones aside."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from api.rejections import Overloaded
from infrastructure.media.probe import MediaFacts

PROBES_AT_ONCE: Final = 2
"""Each takes a process and up to a gigabyte."""
SLOW_AT_ONCE: Final = 2
"""Places beside those for probes that take long: many hours of sound, or a file made to cost as much as it can."""
QUICK_SECONDS: Final = 2.0
"""How long a probe may keep others waiting before it moves to a place aside. Most take a fiftieth of it."""
WAIT_SECONDS_MAX: Final = 60.0
RETRY_AFTER_SECONDS: Final = 10


class ProbeQueue:
    """First come, first served among users: however many files one has sent, the next user waits for one of them.

    And for that one not longer than `quick_seconds`, while there is a place aside for what takes longer.
    """

    def __init__(
        self,
        probe: Callable[[Path], Awaitable[MediaFacts]],
        at_once: int = PROBES_AT_ONCE,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        slow_at_once: int = SLOW_AT_ONCE,
        quick_seconds: float = QUICK_SECONDS,
    ) -> None:
        self._probe = probe
        self._permits = asyncio.Semaphore(at_once)
        self._places_aside = asyncio.Semaphore(slow_at_once)
        self._quick_seconds = quick_seconds
        self._wait_seconds_max = wait_seconds_max
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, path: Path, user_id: UUID) -> MediaFacts:
        """Raises Overloaded when the wait takes too long, and whatever the probe raises."""
        async with AsyncExitStack() as turn, AsyncExitStack() as permit:
            await self._wait(turn, self._turns.setdefault(user_id, asyncio.Lock()), permit)
            making_way = asyncio.create_task(self._make_way(permit), name="making way for short recordings")
            try:
                return await self._probe(path)
            finally:
                making_way.cancel()
                await asyncio.gather(making_way, return_exceptions=True)

    async def _wait(self, turn: AsyncExitStack, lock: asyncio.Lock, permit: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await turn.enter_async_context(lock)
                await permit.enter_async_context(self._permits)
        except TimeoutError:
            raise Overloaded("uploads", RETRY_AFTER_SECONDS) from None

    async def _make_way(self, permit: AsyncExitStack) -> None:
        """Gives the permit back for a place aside, and keeps that until the probe has ended."""
        await asyncio.sleep(self._quick_seconds)
        async with self._places_aside:
            await permit.aclose()
            await asyncio.Event().wait()
