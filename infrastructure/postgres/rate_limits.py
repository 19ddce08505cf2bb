"""How often something may be tried, counted over all processes."""

import asyncio
import time
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from typing import Final

from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

DEADLINE_SECONDS: Final = 5.0
CALLS_PER_PURGE: Final = 500
AT_ONCE_MAX: Final = 4
"""Connections that counting may take from the pool: a flood of attempts leaves the rest to other requests."""
REFUSALS_MAX: Final = 10_000
"""Keys that are remembered as refused; without them the database is asked again."""

_SQL: Final = load_queries(Path(__file__).parent / "rate_limits.sql")


class PostgresRateLimit:
    """Allows `limit` attempts at once and then one whenever its share of the window has passed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calls = 0
        self._permits = asyncio.Semaphore(AT_ONCE_MAX)
        self._refusals = _Refusals()

    async def allow(self, key: str, limit: int, window_seconds: int) -> float:
        """Counts one attempt unless it is refused; the seconds to wait, 0 when it is allowed.

        Of the key only a digest is stored, since it may be somebody's address. Raises DatabaseUnavailable, or
        TimeoutError when too many wait for the database.
        """
        digest = sha256(key.encode()).digest()
        if wait_seconds := self._refusals.wait_seconds(digest):
            return wait_seconds
        async with asyncio.timeout(2 * DEADLINE_SECONDS), self._permits:
            if wait_seconds := self._refusals.wait_seconds(digest):
                return wait_seconds
            wait_seconds = await self._count(digest, limit, window_seconds)
            self._refusals.note(digest, wait_seconds)
            return wait_seconds

    async def _count(self, digest: bytes, limit: int, window_seconds: int) -> float:
        await self._purge_now_and_then()
        arguments = digest, window_seconds / limit, float(window_seconds)
        wait_seconds: float | None = None
        while wait_seconds is None:
            # No answer: refused because of a row that was not there yet when the statement began.
            wait_seconds = await retried(
                lambda: self._pool.fetchval(_SQL["allow"], *arguments), DEADLINE_SECONDS
            )
        return wait_seconds

    async def _purge_now_and_then(self) -> None:
        self._calls += 1
        if self._calls % CALLS_PER_PURGE == 0:
            await retried(lambda: self._pool.execute(_SQL["purge"]), DEADLINE_SECONDS)


class _Refusals:
    """Until when each key is refused: what other processes count can only make that later, so no one is asked."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def wait_seconds(self, digest: bytes) -> float:
        wait_seconds = self._until.get(digest, 0.0) - time.monotonic()
        if wait_seconds <= 0:
            self._until.pop(digest, None)
        return max(wait_seconds, 0.0)

    def note(self, digest: bytes, wait_seconds: float) -> None:
        if wait_seconds > 0:
            self._until[digest] = time.monotonic() + wait_seconds
            if len(self._until) > REFUSALS_MAX:
                self._until.popitem(last=False)
