"""Turns at the engine: as many at once as a worker has slots, and the next in line is prepared while it waits."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol


class Turn(Protocol):
    """One attempt's turn at the engine."""

    @property
    def is_here(self) -> bool: ...

    @property
    def waited_seconds(self) -> float:
        """How long the attempt, with all else done, has stood in line."""
        ...

    async def comes(self) -> None:
        """Returns when it is here; at once when it was before."""
        ...

    def ends(self) -> None:
        """For the next in line; any number of times, also for one that never came."""
        ...


class _Always:
    """The turn of who shares an engine with nobody."""

    is_here: Final = True
    waited_seconds: Final = 0.0

    async def comes(self) -> None: ...

    def ends(self) -> None: ...


AT_ONCE: Final = _Always()


class SlotTurn:
    """A turn that takes one of the slots, in the order in which they were asked for; `came` is told when it is here."""

    def __init__(self, slots: asyncio.Semaphore, came: Callable[[], None]) -> None:
        self._slots = slots
        self._came = came
        self._has_come = False
        self.is_here = False
        self.waited_seconds = 0.0

    async def comes(self) -> None:
        if self._has_come:
            return
        asked_at = time.monotonic()
        await self._slots.acquire()
        self._has_come = self.is_here = True
        self.waited_seconds = time.monotonic() - asked_at
        self._came()

    def ends(self) -> None:
        if self.is_here:
            self.is_here = False
            self._slots.release()
