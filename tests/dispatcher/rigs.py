"""The dispatcher's tables, in memory and in PostgreSQL, behind one face: what happens to them and how time passes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import asyncpg

from dispatcher.migration import QUEUE
from dispatcher.ports import AttemptKey, DispatchTables
from dispatcher.tables import PostgresDispatchTables
from domain.events import Event
from domain.transcription import TRANSCRIPTION
from infrastructure.memory import InMemoryEventStore
from projections.projection import fold_into
from tests.commands.stories import happened
from tests.dispatcher.memory import MemoryDispatchTables, MovedClock


class Rig(Protocol):
    @property
    def tables(self) -> DispatchTables: ...

    async def queue(self, *events: Event) -> None:
        """These events happened and are folded."""
        ...

    async def pass_seconds(self, seconds: float) -> None: ...

    async def now(self) -> datetime:
        """By the clock that decides."""
        ...

    async def percentage(self) -> int | None:
        """Of the one transcription that has progress."""
        ...

    async def leased(self) -> Sequence[AttemptKey]: ...

    async def finished(self) -> Sequence[tuple[int, int, str]]:
        """Attempt, index and key of each window that is noted."""
        ...


@dataclass
class MemoryRig:
    store: InMemoryEventStore
    clock: MovedClock
    tables: MemoryDispatchTables

    async def queue(self, *events: Event) -> None:
        for event in events:
            stream_id = TRANSCRIPTION.stream_id(QUEUE.keys[type(event)](event))
            await happened(self.store, stream_id, event)

    async def pass_seconds(self, seconds: float) -> None:
        self.clock.seconds += seconds

    async def now(self) -> datetime:
        return self.clock.now()

    async def percentage(self) -> int | None:
        return next((percentage for *_, percentage in self.tables.progress.values()), None)

    async def leased(self) -> Sequence[AttemptKey]:
        return [AttemptKey(key, lease.attempt) for key, (lease, _) in self.tables.leases.items()]

    async def finished(self) -> Sequence[tuple[int, int, str]]:
        return sorted(
            (attempt, window.index, window.key) for _, attempt, window in self.tables.windows.values()
        )


@dataclass
class PostgresRig:
    pool: "asyncpg.Pool[Any]"
    tables: PostgresDispatchTables

    async def queue(self, *events: Event) -> None:
        async with self.pool.acquire() as connection:
            await fold_into(connection, QUEUE, events)

    async def pass_seconds(self, seconds: float) -> None:
        """Moves everything into the past, since the database's clock does not wait for a test."""
        past = timedelta(seconds=seconds)
        for table, column in (
            ("dispatch_workers", "seen_at"),
            ("dispatch_leases", "expires_at"),
            ("dispatch_queue", "due_at"),
            ("dispatch_queue", "started_at"),
        ):
            await self.pool.execute(f"update {table} set {column} = {column} - $1::interval", past)

    async def now(self) -> datetime:
        now: datetime = await self.pool.fetchval("select clock_timestamp()")
        return now

    async def percentage(self) -> int | None:
        found: int | None = await self.pool.fetchval("select percentage from transcription_progress")
        return found

    async def leased(self) -> Sequence[AttemptKey]:
        rows = await self.pool.fetch("select transcription_id, attempt from dispatch_leases")
        return [AttemptKey(*row) for row in rows]

    async def finished(self) -> Sequence[tuple[int, int, str]]:
        rows = await self.pool.fetch("select attempt, index, key from transcription_windows order by 1, 2")
        return [(row[0], row[1], row[2]) for row in rows]


def memory_rig() -> MemoryRig:
    clock = MovedClock()
    store = InMemoryEventStore(partition_count=4, clock=clock)
    return MemoryRig(store, clock, MemoryDispatchTables(store, clock))


async def postgres_rig(pool: "asyncpg.Pool[Any]") -> PostgresRig:
    """With empty tables."""
    await pool.execute(
        "truncate dispatch_queue, dispatch_users, dispatch_workers, dispatch_leases, transcription_progress, "
        "transcription_windows, "
        "report_offsets"
    )
    await pool.execute("update dispatch_virtual_clock set virtual_seconds = 0, entry_seconds = 0")
    return PostgresRig(pool, PostgresDispatchTables(pool))
