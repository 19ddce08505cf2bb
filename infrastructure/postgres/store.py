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
LANES: Final = 2
"""Writers that work at the same time, each on partitions of its own, so that none waits for another's locks."""


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
        lanes: int = LANES,
        limits: GroupLimits | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._deadline_seconds = deadline_seconds
        self._recorder = PostgresRecorder(pool)
        self._writers = [GroupWriter(pool, limits or GroupLimits(), deadline_seconds) for _ in range(lanes)]
        self._writing: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Raises PartitionCountMismatch or DatabaseNotMigrated."""
        await claim_partition_count(self._pool, self._partition_count)
        self._writing = [asyncio.create_task(writer.run(), name="log writer") for writer in self._writers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers:
            writer.close()
        _, hanging = await asyncio.wait(self._writing, timeout=LEAVE_SECONDS_MAX)
        for task in hanging:
            task.cancel()
        # Cancelled, a writer answers its callers on the way out.
        await asyncio.gather(*hanging, return_exceptions=True)
        for task in self._writing:
            if not task.cancelled():
                task.result()

    @property
    def is_writing(self) -> bool:
        """False when a writer has ended: then its appends are refused."""
        return bool(self._writing) and not any(task.done() for task in self._writing)

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        stored = await retried(lambda: self._recorder.select_events(stream_id), self._deadline_seconds)
        return [MAPPER.to_domain_event(each).event for each in stored]

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        events = appending.new_events(appends, provenance, self._partition_count)
        return await self._writers[events.partition % len(self._writers)].append(events)

    async def append_within(
        self, connection: Connection, appends: Sequence[StreamAppend], provenance: Provenance
    ) -> Address:
        """Appends as part of the caller's transaction: see `appending.append_within`."""
        return await appending.append_within(connection, appends, provenance, self._partition_count)
