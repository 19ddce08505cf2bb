"""The write side's event store: streams read together, appends committed in groups and announced after that."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from domain.events import Event
from domain.log import Address, Decision, Provenance, StreamAppend, StreamHead, StreamTail
from domain.snapshots import Snapshot
from infrastructure.postgres import appending
from infrastructure.postgres.announcing import Announcer
from infrastructure.postgres.detached import require_attached
from infrastructure.postgres.group_commit import GroupLimits
from infrastructure.postgres.lanes import SHARED_LANES, Lanes
from infrastructure.postgres.loading import StreamReader, row_of
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.recorder import PostgresRecorder
from infrastructure.postgres.retry import retried
from infrastructure.postgres.snapshots import SnapshotTable
from schemas.partitions import partition_of
from schemas.sealing import KeyRing

DEADLINE_SECONDS: Final = 10.0
LEAVE_SECONDS_MAX: Final = 3.0
LOG_QUERIES: Final = Path(__file__).parent / "log.sql"

_SQL: Final = load_queries(LOG_QUERIES)


class PostgresEventStore:
    """An EventStore. Enter it before use; leaving it writes what is in line, then stops.

    Takes a connection of the pool for each lane. Every method raises DatabaseUnavailable when the database
    gave no answer by the deadline; after an append the events may then be stored or not. When the partition that a
    call is about is detached, it raises PartitionDetached.
    """

    def __init__(
        self,
        pool: Pool,
        partition_count: int,
        person_keys: KeyRing,
        *,
        lanes: int = SHARED_LANES,
        limits: GroupLimits | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._person_keys = person_keys
        self._deadline_seconds = deadline_seconds
        self._recorder = PostgresRecorder(pool)
        self._lanes = Lanes(pool, limits or GroupLimits(), deadline_seconds, lanes)
        self._announcer = Announcer(pool)
        self._reader = StreamReader(pool, partition_count, person_keys, deadline_seconds)
        self._snapshots = SnapshotTable(pool, deadline_seconds)
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
        """Looked for everywhere, as `read_streams` does without an owner."""
        stored = await retried(lambda: self._recorder.select_events(stream_id), self._deadline_seconds)
        if not stored:
            await require_attached(self._pool, range(self._partition_count))
        return await self._reader.opened([row_of(each) for each in stored])

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        if owner_id is None:
            return await self._reader.read_anywhere(heads, events_max)
        return await self._reader.read(partition_of(owner_id, self._partition_count), heads, events_max)

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        [address] = await self.append_chain([Decision(appends, provenance)])
        return address

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        events = await appending.sealed_events(decisions, self._partition_count, self._person_keys)
        last = await self._lanes.append(events)
        self.announce(last.partition)
        return events.addresses(last)

    async def read_snapshots(self, stream_ids: Collection[str]) -> Mapping[str, Snapshot]:
        return await self._snapshots.read(stream_ids)

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        await self._snapshots.write(snapshot)

    def announce(self, partition: int) -> None:
        """Tells whoever listens that something was appended there, and committed; nobody waits for it."""
        self._announcer.announce(partition)

    async def append_within(
        self, connection: Connection, appends: Sequence[StreamAppend], provenance: Provenance
    ) -> Address:
        """Appends as part of the caller's transaction: see `appending.append_within`."""
        return await appending.append_within(
            connection, appends, provenance, self._partition_count, self._person_keys
        )
