"""Removes the objects of what was deleted: a step that may be done again, so that a crash between event and object costs nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Never

from msgspec import Struct

from dispatcher.ports import DueRemoval, Removals
from domain.ports import ObjectStore, ObjectStoreUnavailable
from infrastructure.complaints import Complaints
from infrastructure.telemetry.fingerprints import fingerprint_of
from infrastructure.waiting import Wait
from schemas.objects import folders_of_one

logger = logging.getLogger(__name__)

REMOVALS_MAX: Final = 100
"""At once; each takes a few requests to the object store."""
HOUR_SECONDS: Final = 3600.0


class RemovalLimits(Struct, frozen=True, kw_only=True):
    again_seconds: tuple[float, ...] = (70.0, 24 * HOUR_SECONDS)
    """How long after each pass the next one comes: for what was on its way, and for what a frozen process brings late."""
    look_seconds: float = 5.0
    """How often to look when nothing was heard."""
    retry_seconds: float = 60.0
    """After something that nobody foresaw went wrong with one."""


class Remover:
    """`outages` are the errors that pass by themselves. Two who remove at once waste work, and do no harm."""

    def __init__(
        self,
        removals: Removals,
        objects: ObjectStore,
        *,
        limits: RemovalLimits | None = None,
        outages: tuple[type[Exception], ...] = (OSError,),
    ) -> None:
        self._removals = removals
        self._objects = objects
        self._limits = limits or RemovalLimits()
        self._outages: tuple[type[Exception], ...] = (*outages, ObjectStoreUnavailable)
        self._woken = asyncio.Event()
        self._complaints = Complaints(logger)
        self._needs = Wait("what removing objects needs")

    def wake(self) -> None:
        """Something may have been deleted."""
        self._woken.set()

    async def run(self) -> Never:
        """Until cancelled; may be run again."""
        while True:
            self._woken.clear()
            if not await self._unless_away(self.remove_due):
                await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._limits.look_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _unless_away(self, work: Callable[[], Awaitable[bool]]) -> bool:
        """Whether there may be more."""
        try:
            is_more = await work()
            self._needs.is_over()
        except self._outages as problem:
            self._needs.goes_on(type(problem).__name__)
            return False
        return is_more

    async def remove_due(self) -> bool:
        """Whether there may be more of them."""
        due = await self._removals.due(REMOVALS_MAX)
        for removal in due:
            await self._alone(removal)
        return len(due) == REMOVALS_MAX

    async def _alone(self, removal: DueRemoval) -> None:
        """What goes wrong with one keeps no other waiting."""
        try:
            await self._remove(removal)
        except self._outages:
            raise
        except Exception as problem:  # noqa: BLE001  # told without its message, which may name somebody's file
            place = fingerprint_of(problem).text
            self._complaints.warn(
                str(removal.id), "objects of %s %s stay for now: %s", removal.kind, removal.id, place
            )
            await self._removals.put_off(removal, removal.passes, self._limits.retry_seconds)

    async def _remove(self, removal: DueRemoval) -> None:
        for folder in folders_of_one(removal.kind, removal.user_id, removal.id):
            await self._objects.delete_all(folder)
        if removal.passes < len(self._limits.again_seconds):
            seconds = self._limits.again_seconds[removal.passes]
            await self._removals.put_off(removal, removal.passes + 1, seconds)
        else:
            await self._removals.finish(removal)
