"""Shares the partitions out among sealing processes, and keeps sealing those that are held here."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Never

from domain.ports import EventLog, Leases, ObjectStoreUnavailable
from evidence.entries import EntryTooLarge
from evidence.sealer import EVENTS_MAX, Refused, Sealer
from evidence.tables import EvidenceTables
from infrastructure.complaints import Complaints
from infrastructure.postgres.errors import OUTAGES, DatabaseUnavailable
from infrastructure.waiting import Wait

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 60.0
"""How long an append may go unnoticed when its notification is lost."""
REFUSED_SECONDS: Final = 30.0
"""Until a partition is looked at again that could not be sealed: somebody may have set it right."""
OUTAGE_SECONDS: Final = 1.0

Open = Callable[[int], Sealer]


class SealOwner:
    """Holds leases of partitions and a task for each. Two processes may seal one for a moment: the row of a checkpoint decides."""

    def __init__(
        self,
        leases: Leases,
        log: EventLog,
        tables: EvidenceTables,
        open_sealer: Open,
        *,
        renew_seconds: float,
        seal_seconds: float,
    ) -> None:
        self._leases = leases
        self._log = log
        self._tables = tables
        self._open_sealer = open_sealer
        self._renew_seconds = renew_seconds
        self._seal_seconds = seal_seconds
        self._tasks: dict[int, asyncio.Task[Never]] = {}
        self._complaints = Complaints(logger)

    async def run(self) -> Never:
        """Until cancelled; then nothing is sealed any more, and the leases are given up."""
        try:
            while True:
                await self._hold(frozenset(await self._leases.renew()))
                await self._wait()
        finally:
            await self._hold(frozenset())
            await self._leases.release()

    async def _hold(self, partitions: frozenset[int]) -> None:
        ended = [self._tasks.pop(each) for each in self._tasks.keys() - partitions]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        for each in partitions - self._tasks.keys():
            self._tasks[each] = asyncio.create_task(self._keep_sealing(each), name=f"sealing {each}")

    async def _wait(self) -> None:
        """Until it is time to renew. Raises what no sealing should end with."""
        if not self._tasks:
            await asyncio.sleep(self._renew_seconds)
            return
        done, _ = await asyncio.wait(
            self._tasks.values(), timeout=self._renew_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()

    async def _keep_sealing(self, partition: int) -> Never:
        sealer, needs = self._open_sealer(partition), Wait(f"what sealing partition {partition} needs")
        was_refused = True  # By a predecessor, perhaps.
        while True:
            try:
                sealed = await sealer.seal()
                if was_refused:
                    await self._settle(partition)
                was_refused = False
                needs.is_over()
                await self._until_there_is_more(partition, sealed)
            except (Refused, EntryTooLarge) as problem:
                was_refused = True
                await self._refuse(partition, problem)
            except (*OUTAGES, ObjectStoreUnavailable) as problem:
                needs.goes_on(repr(problem))
                await asyncio.sleep(OUTAGE_SECONDS)

    async def _until_there_is_more(self, partition: int, sealed: int) -> None:
        """Not at once: a checkpoint for each event would be as much to keep as the events."""
        if sealed >= EVENTS_MAX:
            return
        await asyncio.sleep(self._seal_seconds)
        if not sealed:
            await self._log.wait_for_append([partition], IDLE_SECONDS)

    async def _refuse(self, partition: int, problem: Exception) -> None:
        self._complaints.warn(str(partition), "sealing stops: %s", problem)
        try:
            await self._tables.refuse(partition, str(problem))
        except DatabaseUnavailable as outage:
            logger.debug("that partition %d stands still could not be told: %r", partition, outage)
        await asyncio.sleep(REFUSED_SECONDS)

    async def _settle(self, partition: int) -> None:
        self._complaints.settle(str(partition))
        await self._tables.settle(partition)
