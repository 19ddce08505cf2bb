"""Where Kafka is damaged, written down by those who read it, for those who watch."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg
from msgspec import Struct

from infrastructure.kafka.failures import PartitionDamaged
from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

TELL_SECONDS: Final = 5.0

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class KafkaDamage(Struct, frozen=True):
    """A partition with messages, from this offset on, that Kafka cannot give."""

    topic: str
    partition: int
    first_offset: int
    error: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition} is damaged at offset {self.first_offset}"

    @property
    def remedy(self) -> str:
        return (
            "read models take from the log what Kafka cannot give, others do not get past it; delete the events and "
            "checkpoints topics, and the relay makes them again and fills them from the log"
        )


class PostgresKafkaDamage:
    """Methods raise DatabaseUnavailable or DatabaseNotMigrated."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tell(self, damage: PartitionDamaged) -> None:
        await self._execute("tell", damage.topic, damage.partition, damage.offset, damage.error)

    async def mended(self, damage: KafkaDamage) -> None:
        await self._execute("mended", damage.topic, damage.partition, damage.first_offset)

    async def known(self) -> Sequence[KafkaDamage]:
        try:
            rows = await retried(lambda: self._pool.fetch(_SQL["known"]), TELL_SECONDS)
        except asyncpg.UndefinedTableError as problem:
            raise DatabaseNotMigrated from problem
        return [KafkaDamage(*row) for row in rows]

    async def _execute(self, query: str, *arguments: object) -> None:
        try:
            await retried(lambda: self._pool.execute(_SQL[query], *arguments), TELL_SECONDS)
        except asyncpg.UndefinedTableError as problem:
            raise DatabaseNotMigrated from problem
