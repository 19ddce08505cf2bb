"""Doing work in one process at a time: the others stand by."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, Never, Protocol

from domain.ports import Leases

logger = logging.getLogger(__name__)

END_SECONDS_MAX: Final = 5.0

Work = Callable[[], Coroutine[Any, Any, Never]]
"""Runs until cancelled."""


class Renewed(Protocol):
    async def next_renewal(self) -> Collection[int]: ...


class FirstSlot:
    """Leases in which whoever holds the first slot of others leads: those are renewed by whom they are of."""

    def __init__(self, leases: Renewed) -> None:
        self._leases = leases

    async def renew(self) -> Collection[int]:
        return {0}.intersection(await self._leases.next_renewal())

    async def release(self) -> None:
        """With the others."""


async def lead(leases: Leases, work: Work, renew_seconds: float = 0.0) -> Never:
    """Works while this process holds the slot there is; until cancelled, and then gives the slot up.

    Two processes may work at once for a moment, when one was frozen and thawed: the work has to bear that.
    """
    working: asyncio.Task[Never] | None = None
    try:
        while True:
            holds = bool(await leases.renew())
            if holds and working is None:
                logger.info("this dispatcher leads")
                working = asyncio.create_task(work(), name="dispatcher at work")
            if working is not None and not holds:
                logger.warning("another dispatcher leads")
                await _end(working)
                working = None
            await _wait(working, renew_seconds)
    finally:
        if working is not None:
            await _end(working)
        await leases.release()


async def _wait(working: "asyncio.Task[Never] | None", seconds: float) -> None:
    """Raises what the work ends with."""
    if working is None:
        await asyncio.sleep(seconds)
        return
    done, _ = await asyncio.wait({working}, timeout=seconds)
    if done:
        working.result()


async def _end(working: "asyncio.Task[Never]") -> None:
    working.cancel()
    await asyncio.wait({working}, timeout=END_SECONDS_MAX)
