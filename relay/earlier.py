"""What happened in a transcription before the events that are in hand, out of the log in PostgreSQL."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from domain.log import LogRecord
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries

DEADLINE_SECONDS: Final = 30.0

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class PostgresEarlier:
    """An Earlier. Raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, partition: int, versions: Mapping[str, int]) -> Sequence[LogRecord]:
        rows = await self._pool.fetch(
            _SQL["earlier"], partition, list(versions), list(versions.values()), timeout=DEADLINE_SECONDS
        )
        return [LogRecord(**row) for row in rows]
