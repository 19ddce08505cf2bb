"""Builds a read model anew from the log, beside the live one, and puts it in its place in one transaction."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from domain.ports import EventLog
from infrastructure.mendable import Mendable
from infrastructure.postgres.pool import READ_SCHEMA, Connection
from infrastructure.postgres.queries import load_queries
from projections import checkpoints
from projections.batches import Batch, PartitionBatch, apply_batch
from projections.checkpoints import Checkpoint
from projections.projection import Projection, versions_of
from projections.reading import Reading
from projections.tables import ensure_tables

log: Final = logging.getLogger(__name__)

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
RECORDS_MAX: Final = 1_000
"""Per partition and transaction."""
SWITCH_TRIES_MAX: Final = 60
SWITCH_PAUSE_SECONDS: Final = 0.5

Progress = Callable[[int, int], None]
"""Called with how many events are folded, and how many there are."""


class AlreadyRebuilding(Mendable):
    """Another process is at it."""

    def __init__(self, projection: str) -> None:
        super().__init__(f"{projection} is being rebuilt by another process: wait for it")


class TableHeld(Mendable):
    """Readers never let go of the old table."""

    def __init__(self, projection: str) -> None:
        super().__init__(
            f"somebody reads {projection} without a pause: end long queries, then rebuild again"
        )


async def rebuild(
    connection: Connection,
    event_log: EventLog,
    projection: Projection[Any],
    reading: Reading,
    progress: Progress,
) -> None:
    """Replaces the live table; readers see the old one up to the switch and the new one from it on.

    What an interrupted rebuild left behind is dropped first. Raises AlreadyRebuilding, ProjectionFailed when an
    event cannot be folded, or TableHeld; the live table is untouched then.
    """
    if not await connection.fetchval(SQL["claim"], projection.name):
        raise AlreadyRebuilding(projection.name)
    try:
        builder = await _begin(connection, event_log, projection, reading)
        await builder.catch_up(progress)
        await _until_switched(builder)
        await connection.execute(f"drop schema {builder.schema} cascade")
    finally:
        await connection.execute(SQL["unclaim"], projection.name)
        await connection.execute("reset all")


async def _begin(
    connection: Connection, event_log: EventLog, projection: Projection[Any], reading: Reading
) -> "_Builder":
    schema = f"rebuild_{projection.name}"
    await connection.execute(f"drop schema if exists {schema} cascade")
    await ensure_tables(connection, schema, [projection])
    await connection.execute(f"set search_path to {schema}")
    # Nothing is lost with the last moments of an unfinished rebuild; the switch itself waits for the disk.
    await connection.execute("set synchronous_commit to off")
    partitions = range(event_log.partition_count)
    places = await checkpoints.read_checkpoints(connection, versions_of([projection]), partitions)
    return _Builder(connection, event_log, projection, reading, schema, places.live)


async def _until_switched(builder: "_Builder") -> None:
    """A long-running reader of the old table must not make all others queue behind us: we step back instead."""
    for _ in range(SWITCH_TRIES_MAX):
        try:
            return await builder.switch()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            log.info("%s is in use; trying again", builder.projection.name)
            await asyncio.sleep(SWITCH_PAUSE_SECONDS)
    raise TableHeld(builder.projection.name)


@dataclass(slots=True)
class _Builder:
    """The new table on its way; SQL that names a schema is filled in from here, with names of our own."""

    connection: Connection
    event_log: EventLog
    projection: Projection[Any]
    reading: Reading
    schema: str
    reached: Mapping[int, Checkpoint]

    async def catch_up(self, progress: Progress) -> None:
        """Folds until all that was there when a round began is folded: what is left came during that round."""
        behind = True
        while behind:
            heads = await self._heads()
            batch = await self._read(self.reached, heads)
            async with self.connection.transaction():
                self.reached = await self._fold(self.reached, batch)
            progress(self._folded(), sum(heads.values()))
            behind = self._folded() < sum(heads.values())

    async def switch(self) -> None:
        """Holds the live checkpoints still, folds what is left, and exchanges the tables: all in one transaction."""
        async with self.connection.transaction():
            await self.connection.execute(self._sql("hold"))
            heads, reached = await self._heads(), self.reached
            while batch := await self._read(reached, heads):
                reached = await self._fold(reached, batch)
            await self.connection.execute(self._sql("exchange"))

    async def _heads(self) -> dict[int, int]:
        return {partition: await self.event_log.head(partition) for partition in self.reached}

    async def _read(self, reached: Mapping[int, Checkpoint], heads: Mapping[int, int]) -> Batch:
        parts = {
            partition: await self.event_log.read(
                partition, place.position.seq, min(RECORDS_MAX, heads[partition] - place.position.seq)
            )
            for partition, place in reached.items()
            if place.position.seq < heads[partition]
        }
        return {partition: PartitionBatch(records) for partition, records in parts.items() if records}

    async def _fold(self, reached: Mapping[int, Checkpoint], batch: Batch) -> Mapping[int, Checkpoint]:
        folded = await apply_batch(self.connection, [self.projection], reached, batch, self.reading)
        return {**reached, **folded}

    def _folded(self) -> int:
        return sum(place.position.seq for place in self.reached.values())

    def _sql(self, name: str) -> str:
        return SQL[name].format(live=READ_SCHEMA, built=self.schema, table=self.projection.name)
