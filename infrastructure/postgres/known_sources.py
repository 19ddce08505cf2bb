"""From where each user has logged in lately, so that guesses made elsewhere do not lock them out there."""

from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

KNOWN_DAYS: Final = 90
PER_USER_MAX: Final = 20
DEADLINE_SECONDS: Final = 5.0

_SQL: Final = load_queries(Path(__file__).parent / "known_sources.sql")


class PostgresKnownSources:
    """Of a source only a digest with the user's id is stored. Raises DatabaseUnavailable at the deadline."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def is_known(self, user_id: UUID, source: str) -> bool:
        digest = _digest(user_id, source)
        return bool(
            await retried(lambda: self._pool.fetchval(_SQL["is_known"], user_id, digest), DEADLINE_SECONDS)
        )

    async def remember(self, user_id: UUID, source: str) -> None:
        """For KNOWN_DAYS from now; of the sources of one user the latest PER_USER_MAX are kept."""
        digest = _digest(user_id, source)
        written = await retried(
            lambda: self._pool.execute(_SQL["remember"], user_id, digest, KNOWN_DAYS), DEADLINE_SECONDS
        )
        if written != "INSERT 0 0":
            await retried(
                lambda: self._pool.execute(_SQL["forget"], user_id, PER_USER_MAX), DEADLINE_SECONDS
            )


def _digest(user_id: UUID, source: str) -> bytes:
    return sha256(user_id.bytes + source.encode()).digest()
