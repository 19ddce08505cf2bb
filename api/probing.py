"""Whose upload is probed next: a few at a time in all, and of each user one after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from api.errors import Overloaded
from infrastructure.media.probe import MediaFacts

PROBES_AT_ONCE: Final = 2
"""Each takes a process and up to a gigabyte."""
WAIT_SECONDS_MAX: Final = 60.0
RETRY_AFTER_SECONDS: Final = 10


class ProbeQueue:
    """First come, first served among users: however many files one has sent, the next user waits for one of them."""

    def __init__(
        self,
        probe: Callable[[Path], Awaitable[MediaFacts]],
        at_once: int = PROBES_AT_ONCE,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
    ) -> None:
        self._probe = probe
        self._permits = asyncio.Semaphore(at_once)
        self._wait_seconds_max = wait_seconds_max
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, path: Path, user_id: UUID) -> MediaFacts:
        """Raises Overloaded when the wait takes too long, and whatever the probe raises."""
        async with AsyncExitStack() as held:
            await self._wait(held, self._turns.setdefault(user_id, asyncio.Lock()))
            return await self._probe(path)

    async def _wait(self, held: AsyncExitStack, turn: asyncio.Lock) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await held.enter_async_context(turn)
                await held.enter_async_context(self._permits)
        except TimeoutError:
            raise Overloaded("uploads", RETRY_AFTER_SECONDS) from None
