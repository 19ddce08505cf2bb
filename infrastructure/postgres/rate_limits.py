"""How often something may be tried, counted over all processes."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

DEADLINE_SECONDS: Final = 5.0
CALLS_PER_PURGE: Final = 500

_SQL: Final = load_queries(Path(__file__).parent / "rate_limits.sql")


class PostgresRateLimit:
    """Allows `limit` attempts at once and then one whenever its share of the window has passed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calls = 0

    async def allow(self, key: str, limit: int, window_seconds: int) -> float:
        """Counts one attempt unless it is refused; the seconds to wait, 0 when it is allowed.

        Of the key only a digest is stored, since it may be somebody's address. Raises DatabaseUnavailable.
        """
        digest = sha256(key.encode()).digest()
        await self._purge_now_and_then()
        wait_seconds = await retried(
            lambda: self._pool.fetchval(
                _SQL["allow"], digest, window_seconds / limit, float(window_seconds)
            ),
            DEADLINE_SECONDS,
        )
        return float(wait_seconds or 0)

    async def _purge_now_and_then(self) -> None:
        self._calls += 1
        if self._calls % CALLS_PER_PURGE == 0:
            await retried(lambda: self._pool.execute(_SQL["purge"]), DEADLINE_SECONDS)
