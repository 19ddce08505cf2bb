"""All events of one person, up to a moment, whatever else is in their partition."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from domain.events import Event
from domain.log import LogRecord
from infrastructure.postgres.detached import require_attached
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried
from infrastructure.unreadable import unreadable_told
from schemas.events import opened
from schemas.partitions import partition_of
from schemas.sealing import KeyRing

DEADLINE_SECONDS: Final = 10.0

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class PostgresOwnEvents:
    """Methods raise DatabaseUnavailable at the deadline, PartitionDetached or EventUnreadable."""

    pool: Pool
    partition_count: int
    person_keys: KeyRing

    async def seqs(self, owner_id: UUID, events_max: int) -> Sequence[int]:
        """Where they lie in their owner's partition at this moment, the first of them first."""
        await require_attached(self.pool, [partition_of(owner_id, self.partition_count)])
        rows = await retried(lambda: self.pool.fetch(_SQL["seqs"], owner_id, events_max), DEADLINE_SECONDS)
        return [row["seq"] for row in rows]

    async def read(self, owner_id: UUID, seqs: Sequence[int]) -> Sequence[tuple[LogRecord, Event]]:
        partition = partition_of(owner_id, self.partition_count)
        rows = await retried(lambda: self.pool.fetch(_SQL["read"], partition, seqs), DEADLINE_SECONDS)
        records = [LogRecord(*row) for row in rows]
        with unreadable_told():
            keys = await self.person_keys.of([owner_id])
            return [(each, opened(each, keys)) for each in records]
