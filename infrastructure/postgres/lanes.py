"""Who writes which commands: a few writers for all partitions, and one for each partition that is held from outside."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from domain.log import Address
from infrastructure.postgres.appending import NewEvents
from infrastructure.postgres.group_commit import GroupLimits, GroupWriter, Waiting
from infrastructure.postgres.pool import Pool

SHARED_LANES: Final = 2
"""Few, so that many commands share a commit. More were slower at every number of callers that was measured."""
APART_MAX: Final = 4
"""Lanes of held partitions that wait for the database at once, so that they do not take all connections of a pool."""

_logger = logging.getLogger(__name__)


class Lanes:
    """All commands share a few lanes, and a lane's group locks all partitions that its commands are for.

    While somebody else keeps a partition locked, its commands wait in a lane of their own, until one is written and
    no other is in line: so only those wait that have to. `run` them in a task whose owner awaits it.
    """

    def __init__(
        self, pool: Pool, limits: GroupLimits, deadline_seconds: float, shared: int = SHARED_LANES
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._deadline_seconds = deadline_seconds
        self._shared = [GroupWriter(pool, limits, deadline_seconds, self._set_apart) for _ in range(shared)]
        self._apart: dict[int, GroupWriter] = {}
        self._places_apart = asyncio.Semaphore(APART_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(self, command: NewEvents) -> Address:
        """Raises VersionConflict, or DatabaseUnavailable when there is no answer by the deadline."""
        shared = self._shared[command.partition % len(self._shared)]
        return await self._apart.get(command.partition, shared).append(command)

    @property
    def apart(self) -> Collection[int]:
        """The partitions that have a lane of their own now."""
        return self._apart.keys()

    def close(self) -> None:
        """Takes no more commands; `run` ends when those in line are written."""
        for writer in (*self._shared, *self._apart.values()):
            writer.close()

    async def run(self) -> None:
        """Ends when a shared lane does, and with it all."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for writer in self._shared:
                    tasks.create_task(writer.run(), name="log writer")
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _set_apart(self, waiting: Sequence[Waiting]) -> None:
        by_partition: dict[int, list[Waiting]] = defaultdict(list)
        for each in waiting:
            by_partition[each.command.partition].append(each)
        for partition, commands in by_partition.items():
            if partition not in self._apart:
                self._open(partition)
            self._apart[partition].take_over(commands)

    def _open(self, partition: int) -> None:
        _logger.info("partition %d is held by somebody else: its commands wait by themselves", partition)
        self._apart[partition] = GroupWriter(self._pool, self._limits, self._deadline_seconds)
        task = asyncio.create_task(self._write_apart(partition), name=f"log writer of {partition}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_notice)

    async def _write_apart(self, partition: int) -> None:
        writer = self._apart[partition]
        try:
            async with self._places_apart:
                await writer.run_until_idle()
        finally:
            # From here on its commands go to the shared lanes again, and nothing is left in this one.
            del self._apart[partition]
            await writer.end()


def _notice(task: asyncio.Task[None]) -> None:
    """Its callers have been told; what ended it is for the log."""
    if not task.cancelled() and (problem := task.exception()):
        _logger.error("the lane of a held partition ended", exc_info=problem)
