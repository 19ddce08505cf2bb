"""Which partitions stand still because log and Kafka contradict each other, written down for whoever watches."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

TELL_SECONDS: Final = 1.0

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class Refusals(Protocol):
    async def tell(self, refused: Mapping[int, str], relayed: Collection[int]) -> None:
        """Why these partitions stand still, and which ones do not. Raises DatabaseUnavailable."""
        ...


class PostgresRefusals:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tell(self, refused: Mapping[int, str], relayed: Collection[int]) -> None:
        """Raises DatabaseUnavailable or DatabaseNotMigrated."""
        arguments = list(refused), list(refused.values()), list(relayed)
        try:
            await retried(lambda: self._pool.execute(_SQL["tell"], *arguments), TELL_SECONDS)
        except asyncpg.UndefinedTableError as problem:
            raise DatabaseNotMigrated from problem
