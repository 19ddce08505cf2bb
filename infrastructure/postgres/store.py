"""The write side's event store: streams read together, appends committed in groups and announced after that."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

import asyncpg
from msgspec import Struct

from domain.events import Event
from domain.log import Address, Decision, Provenance, StreamAppend, StreamHead, StreamTail
from infrastructure.gathering import Gathering
from infrastructure.postgres import appending
from infrastructure.postgres.announcing import Announcer
from infrastructure.postgres.group_commit import GroupLimits
from infrastructure.postgres.lanes import SHARED_LANES, Lanes
from infrastructure.postgres.mapper import MAPPER
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.recorder import PostgresRecorder
from infrastructure.postgres.retry import retried
from schemas.events import decode

DEADLINE_SECONDS: Final = 10.0
LEAVE_SECONDS_MAX: Final = 3.0
LOG_QUERIES: Final = Path(__file__).parent / "log.sql"

_SQL: Final = load_queries(LOG_QUERIES)


Found: TypeAlias = Mapping[str, Sequence[asyncpg.Record]]
"""The rows of each stream, and maybe of others."""


class Asked(Struct, frozen=True):
    """Streams to be read on from their heads."""

    heads: Mapping[str, StreamHead]
    events_max: int

    @property
    def rows_max(self) -> int:
        """A stream without news takes a row, too."""
        return self.events_max + len(self.heads)


class PostgresEventStore:
    """An EventStore. Enter it before use; leaving it writes what is in line, then stops.

    Takes a connection of the pool for each lane. Every method raises DatabaseUnavailable when the database
    gave no answer by the deadline; after an append the events may then be stored or not.
    """

    def __init__(
        self,
        pool: Pool,
        partition_count: int,
        *,
        lanes: int = SHARED_LANES,
        limits: GroupLimits | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._deadline_seconds = deadline_seconds
        self._recorder = PostgresRecorder(pool)
        self._lanes = Lanes(pool, limits or GroupLimits(), deadline_seconds, lanes)
        self._announcer = Announcer(pool)
        self._reading = Gathering(self._read_each)
        self._writing: asyncio.Task[None] | None = None
        self._announcing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises PartitionCountMismatch or DatabaseNotMigrated."""
        await claim_partition_count(self._pool, self._partition_count)
        self._writing = asyncio.create_task(self._lanes.run(), name="log lanes")
        self._announcing = asyncio.create_task(self._announcer.run(), name="log announcer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writing is not None
        assert self._announcing is not None
        self._lanes.close()
        await asyncio.wait([self._writing], timeout=LEAVE_SECONDS_MAX)
        # Cancelled, the lanes answer their callers on the way out.
        tasks = [self._writing, self._announcing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled():
                task.result()

    @property
    def is_writing(self) -> bool:
        """False when a lane or the announcer has ended, so that the process is of no more use."""
        tasks = self._writing, self._announcing
        return all(task is not None and not task.done() for task in tasks)

    @property
    def partitions_apart(self) -> Collection[int]:
        """Those whose commands wait by themselves, because somebody else keeps the partition locked."""
        return self._lanes.apart

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        stored = await retried(lambda: self._recorder.select_events(stream_id), self._deadline_seconds)
        return [MAPPER.to_domain_event(each).event for each in stored]

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int
    ) -> Mapping[str, StreamTail]:
        found = await self._reading.answer(Asked(heads, events_max))
        return {
            stream_id: _tail(head, found[stream_id])
            for stream_id, head in heads.items()
            if stream_id in found
        }

    async def _read_each(self, questions: Sequence[Asked]) -> Sequence[Found]:
        """By one statement, unless a stream is asked for twice or there is too much new in all of them."""
        heads = {stream_id: head for each in questions for stream_id, head in each.heads.items()}
        if len(questions) > 1 and len(heads) == sum(len(each.heads) for each in questions):
            together = Asked(heads, min(each.events_max for each in questions))
            found = await self._read(together)
            if sum(map(len, found.values())) < together.rows_max:
                return [found] * len(questions)
        return [await self._read(each) for each in questions]

    async def _read(self, asked: Asked) -> Found:
        heads = asked.heads.values()
        columns = (
            list(asked.heads),
            [head.version for head in heads],
            [head.event_id for head in heads],
        )
        rows = await retried(
            lambda: self._pool.fetch(_SQL["read_streams"], *columns, asked.rows_max), self._deadline_seconds
        )
        found: dict[str, list[asyncpg.Record]] = {}
        for row in rows:
            found.setdefault(row["stream_id"], []).append(row)
        return found

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        [address] = await self.append_chain([Decision(appends, provenance)])
        return address

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        events = appending.new_events(decisions, self._partition_count)
        last = await self._lanes.append(events)
        self.announce(last.partition)
        return events.addresses(last)

    def announce(self, partition: int) -> None:
        """Tells whoever listens that something was appended there, and committed; nobody waits for it."""
        self._announcer.announce(partition)

    async def append_within(
        self, connection: Connection, appends: Sequence[StreamAppend], provenance: Provenance
    ) -> Address:
        """Appends as part of the caller's transaction: see `appending.append_within`."""
        return await appending.append_within(connection, appends, provenance, self._partition_count)


def _tail(asked: StreamHead, rows: Sequence[asyncpg.Record]) -> StreamTail:
    """A row without a version says that there is nothing new."""
    after = asked if rows[0]["after"] == asked.version else StreamHead()
    new = [row for row in rows if row["version"] is not None]
    head = StreamHead(new[-1]["version"], new[-1]["event_id"]) if new else after
    return StreamTail(after=after, events=[_event(row) for row in new], head=head)


def _event(row: asyncpg.Record) -> Event:
    return decode(row["type"], row["schema_version"], row["data"])
