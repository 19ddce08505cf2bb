"""Projectors that take one turn at a time, over connections that fail at the worst moment, and a log that a failover rewrites."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg

from domain.events import Event
from domain.log import RecordedEvent
from domain.ports import FeedRecord
from infrastructure.postgres.errors import OUTAGES
from projections.in_hand import InHand
from projections.models import READ_MODELS
from projections.runner import Pace, Runner
from schemas.events import encode, type_of
from tests.keys import KEY, READING
from tests.projections.feeds import HeldLeases, LogFeed

PARTITIONS = 2
VERSION = 1
"""Of every event: nothing here looks at it but what opens it."""
NEVER_SECONDS = 1_000.0
ROWS_MAX = 3
RECORDS_MAX = 5
TABLES = (*READ_MODELS, "projection_checkpoints", "projection_failures")
BATCHED = Pace(records_max=RECORDS_MAX, renew_seconds=NEVER_SECONDS, retry_seconds_min=0.0)


class RewrittenLog:
    """As much of domain.ports.EventLog as a projector and a rebuild need; its end may be cut off."""

    partition_count = PARTITIONS

    def __init__(self) -> None:
        self.records: list[list[RecordedEvent]] = [[] for _ in range(PARTITIONS)]

    def append(self, partition: int, event: Event) -> None:
        kind, records = type_of(event), self.records[partition]
        data = encode(event, VERSION, KEY)
        seq = len(records) + 1
        records.append(RecordedEvent(partition, seq, kind.name, kind.schema_version, data, VERSION))

    def heads(self) -> list[int]:
        return [len(records) for records in self.records]

    def cut(self, heads: Sequence[int]) -> None:
        for records, head in zip(self.records, heads, strict=True):
            del records[head:]

    async def read(self, partition: int, after_seq: int, limit: int) -> Sequence[RecordedEvent]:
        return self.records[partition][after_seq : after_seq + max(0, limit)]

    async def head(self, partition: int) -> int:
        return len(self.records[partition])


class ImpatientFeed(LogFeed):
    """Waits for nothing."""

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        del timeout_seconds
        return await super().next_batch(0.0, records_max)


class OverheardConnection:
    """Notes what is asked of it, and lets something happen before a write."""

    def __init__(self, connection: Any, pool: "FragilePool") -> None:
        self._connection = connection
        self._pool = pool

    async def fetchval(self, *arguments: Any) -> Any:
        meanwhile, self._pool.meanwhile = self._pool.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        self._pool.asked.append("fetchval")
        return await self._connection.fetchval(*arguments)

    def __getattr__(self, name: str) -> Any:
        self._pool.asked.append(name)
        return getattr(self._connection, name)


class FragilePool:
    """Fails before a connection is there, or when all was done and nobody heard of it."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self.is_cut = self.loses_answer = False
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.asked: list[str] = []

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        return self._acquire()

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[OverheardConnection]:
        if self.is_cut:
            self.is_cut = False
            raise ConnectionResetError
        async with self._pool.acquire() as connection:
            yield OverheardConnection(connection, self)
        if self.loses_answer:
            self.loses_answer = False
            raise ConnectionResetError


class SteppedProjector(Runner):
    """Owns what it is told, and notices by itself alone that others do, too."""

    def __init__(self, pool: "asyncpg.Pool[Any]", log: RewrittenLog) -> None:
        self.pool = FragilePool(pool)
        self.leases = HeldLeases(range(PARTITIONS))
        models = list(READ_MODELS.values())
        super().__init__(self.pool, ImpatientFeed(log), self.leases, models, READING, pace=BATCHED)  # type: ignore[arg-type]  # as much of both as is needed
        self._in_hand = InHand(models, READING, rows_max=ROWS_MAX)

    async def turn(self) -> None:
        try:
            await self._turn()
        except OUTAGES as problem:
            await self._sit_out(problem)

    async def own(self, *partitions: int) -> None:
        self.leases.slots = partitions
        self._renew_at = 0.0
        await self.turn()

    def forget(self) -> None:
        self._in_hand.forget()


async def empty(pool: "asyncpg.Pool[Any]") -> None:
    await pool.execute(f"truncate {', '.join(TABLES)}")
    await pool.execute("drop schema if exists kept cascade; create schema kept")
    await back_up(pool)


async def back_up(pool: "asyncpg.Pool[Any]") -> None:
    for table in TABLES:
        await pool.execute(f"drop table if exists kept.{table}; create table kept.{table} as table {table}")


async def fail_over(pool: "asyncpg.Pool[Any]") -> None:
    """To a server that had not heard of what came after the last backup."""
    async with pool.acquire() as connection, connection.transaction():
        for table in TABLES:
            await connection.execute(f"truncate {table}; insert into {table} select * from kept.{table}")
