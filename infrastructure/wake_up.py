"""Telling any number of waiting tasks that something was appended."""

import asyncio
from collections.abc import Collection
from typing import Any
from weakref import WeakKeyDictionary


class WakeUp:
    """A bell that is not missed by a task that was busy when it rang.

    Each task is woken for what rang since its own last wait; a task that never waited before, for what rang
    since anybody's.
    """

    def __init__(self) -> None:
        self._rung = 0
        self._heard = 0
        self._heard_by: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._next = asyncio.Event()

    def ring(self) -> None:
        self._rung += 1
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, timeout_seconds: float) -> None:
        """Returns at the timeout without an error: who waits here looks for itself."""
        task = asyncio.current_task()
        assert task is not None
        if self._heard_by.get(task, self._heard) == self._rung:
            await self._wait_for_next(timeout_seconds)
        self._heard = self._heard_by[task] = self._rung

    async def _wait_for_next(self, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._next.wait()
        except TimeoutError:
            pass


class WakeUps:
    """A bell for each choice of partitions that somebody waits for."""

    def __init__(self) -> None:
        self._bells: dict[frozenset[int], WakeUp] = {}

    def ring(self, partitions: Collection[int]) -> None:
        for chosen, bell in self._bells.items():
            if not chosen.isdisjoint(partitions):
                bell.ring()

    async def wait(self, partitions: Collection[int], timeout_seconds: float) -> None:
        """Returns at once the first time: nobody has noticed what was appended before."""
        chosen = frozenset(partitions)
        if chosen not in self._bells:
            self._bells[chosen] = WakeUp()
            return
        await self._bells[chosen].wait(timeout_seconds)
