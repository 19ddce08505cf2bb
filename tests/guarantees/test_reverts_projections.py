"""Each event's effect once: with the checkpoint in the transaction of the rows and guarded, and without either."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import pytest

from domain.events import Event
from domain.ports import EventLog, FeedRecord
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.pool import Connection
from projections import checkpoints
from projections.batches import Batch
from projections.checkpoints import Checkpoint
from projections.models import READ_MODELS
from projections.projection import fold_into
from projections.runner import Runner
from schemas.events import opened
from tests.keys import EVERYBODYS, READING
from tests.projections.feeds import HeldLeases, LogFeed
from tests.projections.lives import lived
from tests.projections.running import QUICK, contents, project_all, running, until, until_reached
from tests.projections.telling import told

Pool = asyncpg.Pool
NAMES = [f"user {number}" for number in range(7)]
IN_THE_ROWS = "insert or update on quota"
IN_THE_CHECKPOINT = "update on projection_checkpoints"
"""The write whose first time a projector does not survive."""


class CarelessRunner(Runner):
    """What both careless ones do as they should."""

    def _after(self, batch: Batch) -> dict[int, Checkpoint]:
        return {
            partition: self._reached[partition].advanced(part.last_seq, part.next_offset)
            for partition, part in batch.items()
        }

    async def _fold(self, connection: Connection, batch: Batch) -> None:
        for projection in self._projections:
            await fold_into(connection, projection, _events(batch))


def _events(batch: Batch) -> Iterator[Event]:
    for part in batch.values():
        for record in part.records:
            yield opened(record, EVERYBODYS)


class CheckpointAfterwards(CarelessRunner):
    async def _commit(self, batch: Batch) -> None:
        after = self._after(batch)
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await self._fold(connection, batch)
            async with connection.transaction():
                await checkpoints.advance(connection, self._known, self._reached, after)
        self._reached |= after


class CheckpointBefore(CarelessRunner):
    async def _commit(self, batch: Batch) -> None:
        after = self._after(batch)
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                await checkpoints.advance(connection, self._known, self._reached, after)
            async with connection.transaction():
                await self._fold(connection, batch)
        self._reached |= after


class Unguarded(CarelessRunner):
    """Writes its checkpoint wherever the stored one is."""

    async def _commit(self, batch: Batch) -> None:
        after = self._after(batch)
        moved = "update projection_checkpoints set seq = $2 where partition = $1"
        async with self._pool.acquire() as connection, connection.transaction():
            await self._fold(connection, batch)
            for partition, place in after.items():
                await connection.execute(moved, partition, place.position.seq)
        self._reached |= after


def new_runner(kind: type[Runner], pool: "Pool[Any]", log: EventLog, feed: LogFeed) -> Runner:
    leases = HeldLeases(range(log.partition_count))
    return kind(pool, feed, leases, tuple(READ_MODELS.values()), READING, pace=QUICK)


async def is_told_after_a_crash(
    kind: type[Runner], pool: "Pool[Any]", store: InMemoryEventStore, write: str
) -> bool:
    """Whether the tables hold the fold of the log although the server ended the connection in the middle."""
    await lived(store, NAMES)
    await _crash_once(pool, write)
    async with running(new_runner(kind, pool, store, LogFeed(store))):
        await until(lambda: _has_crashed(pool))
        await until_reached(pool, store)
    return await contents(pool) == told(store)


async def _has_crashed(pool: "Pool[Any]") -> bool:
    return bool(await pool.fetchval("select is_called from crashes"))


async def _crash_once(pool: "Pool[Any]", write: str) -> None:
    """A sequence, since what it counts is not rolled back."""
    await pool.execute(
        "create or replace function crash() returns trigger language plpgsql as $$ begin"
        " if nextval('crashes') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;"
        " return null; end $$"
    )
    await pool.execute("create sequence crashes")
    await pool.execute(f"create trigger crash after {write} for each statement execute function crash()")


@pytest.mark.parametrize("write", [IN_THE_ROWS, IN_THE_CHECKPOINT])
async def test_a_crash_between_rows_and_checkpoint_leaves_each_effect_once(
    pool: "Pool[Any]", store: InMemoryEventStore, write: str
) -> None:
    assert await is_told_after_a_crash(Runner, pool, store, write)


async def test_a_checkpoint_after_the_rows_repeats_effects(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    assert not await is_told_after_a_crash(CheckpointAfterwards, pool, store, IN_THE_CHECKPOINT)


async def test_a_checkpoint_before_the_rows_loses_effects(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    assert not await is_told_after_a_crash(CheckpointBefore, pool, store, IN_THE_ROWS)


class FreezingFeed(LogFeed):
    """Its projector is frozen with the first batch in hand, until it is thawed."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self.is_frozen, self.thaw, self.is_asked_again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        if self.is_frozen.is_set():
            self.is_asked_again.set()
        batch = await super().next_batch(timeout_seconds, records_max)
        if batch and not self.is_frozen.is_set():
            self.is_frozen.set()
            await self.thaw.wait()
        return batch


async def is_told_after_a_zombie(kind: type[Runner], pool: "Pool[Any]", store: InMemoryEventStore) -> bool:
    """Whether the tables hold the fold of the log although a projector woke up that others had replaced."""
    await lived(store, NAMES)
    feed = FreezingFeed(store)
    async with running(new_runner(kind, pool, store, feed)):
        await feed.is_frozen.wait()
        await project_all(pool, store)
        feed.thaw.set()
        await feed.is_asked_again.wait()
    return await contents(pool) == told(store)


async def test_a_projector_that_thaws_changes_nothing(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    assert await is_told_after_a_zombie(Runner, pool, store)


async def test_a_projector_without_the_guard_repeats_effects_when_it_thaws(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    assert not await is_told_after_a_zombie(Unguarded, pool, store)
