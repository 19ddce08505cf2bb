"""When API keys were used last, so that their owners see which they do not need any more."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

DEADLINE_SECONDS: Final = 5.0

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class PostgresApiKeyUses:
    """Raises DatabaseUnavailable at the deadline."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(self, key_id: UUID, user_id: UUID) -> None:
        """That it was used just now."""
        await retried(lambda: self._pool.execute(_SQL["note"], key_id, user_id), DEADLINE_SECONDS)

    async def last_uses(self, user_id: UUID) -> Mapping[UUID, datetime]:
        """By key; of one that was never used there is none."""
        rows = await retried(lambda: self._pool.fetch(_SQL["last_uses"], user_id), DEADLINE_SECONDS)
        return {row["key_id"]: row["used_at"] for row in rows}

    async def forget(self, key_id: UUID) -> None:
        await retried(lambda: self._pool.execute(_SQL["forget"], key_id), DEADLINE_SECONDS)
