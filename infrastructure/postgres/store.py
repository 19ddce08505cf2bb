"""The write side's event store: streams read one by one, appends committed in groups."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from domain.events import Event
from domain.log import Address, Provenance, StreamAppend
from infrastructure.postgres import appending
from infrastructure.postgres.group_commit import GroupLimits, GroupWriter
from infrastructure.postgres.mapper import MAPPER
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.recorder import PostgresRecorder
from infrastructure.postgres.retry import retried

DEADLINE_SECONDS: Final = 10.0
LEAVE_SECONDS_MAX: Final = 3.0


class PostgresEventStore:
    """An EventStore. Enter it before use; leaving it writes what is in line, then stops.

    Takes one connection of the pool for itself. Every method raises DatabaseUnavailable when the database
    gave no answer by the deadline; after an append the events may then be stored or not.
    """

    def __init__(
        self,
        pool: Pool,
        partition_count: int,
        *,
        limits: GroupLimits | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._deadline_seconds = deadline_seconds
        self._recorder = PostgresRecorder(pool)
        self._writer = GroupWriter(pool, limits or GroupLimits(), deadline_seconds)
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises PartitionCountMismatch or DatabaseNotMigrated."""
        await claim_partition_count(self._pool, self._partition_count)
        self._writing = asyncio.create_task(self._writer.run(), name="event log writer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writing is not None
        self._writer.close()
        await asyncio.wait([self._writing], timeout=LEAVE_SECONDS_MAX)
        # Cancelled, the writer answers its callers on the way out.
        if self._writing.cancel():
            await asyncio.wait([self._writing], timeout=LEAVE_SECONDS_MAX)
        else:
            self._writing.result()

    @property
    def is_writing(self) -> bool:
        """False when the writer has ended: then every append is refused."""
        return self._writing is not None and not self._writing.done()

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        stored = await retried(lambda: self._recorder.select_events(stream_id), self._deadline_seconds)
        return [MAPPER.to_domain_event(each).event for each in stored]

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        return await self._writer.append(appending.new_events(appends, provenance, self._partition_count))

    async def append_within(
        self, connection: Connection, appends: Sequence[StreamAppend], provenance: Provenance
    ) -> Address:
        """Appends as part of the caller's transaction: see `appending.append_within`."""
        return await appending.append_within(connection, appends, provenance, self._partition_count)
