"""Password hashes by e-mail address, stored in the transaction that registers the user."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from domain.errors import EmailTaken
from domain.log import Address, Provenance, StreamAppend, VersionConflict
from domain.ports import StoredCredentials
from infrastructure.postgres.appending import NewEvents, append_group, new_events
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

DEADLINE_SECONDS: Final = 10.0

_SQL: Final = load_queries(Path(__file__).parent / "credentials.sql")


class PostgresCredentials:
    """Raises DatabaseUnavailable at the deadline."""

    def __init__(
        self, pool: Pool, partition_count: int, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._deadline_seconds = deadline_seconds

    async def register(
        self,
        email: str,
        credentials: StoredCredentials,
        appends: Sequence[StreamAppend],
        provenance: Provenance,
    ) -> Address:
        # Made once: a second try after a lost answer finds its own row and its own events.
        events = new_events(appends, provenance, self._partition_count)
        return await retried(lambda: self._register(email, credentials, events), self._deadline_seconds)

    async def _register(self, email: str, credentials: StoredCredentials, events: NewEvents) -> Address:
        async with self._pool.acquire() as connection, connection.transaction():
            user_id = await connection.fetchval(
                _SQL["insert"], credentials.user_id, email, credentials.password_hash
            )
            if user_id is None:
                raise EmailTaken
            [answer] = await append_group(connection, [events])
            if isinstance(answer, VersionConflict):
                raise answer
            return answer

    async def find(self, email: str) -> StoredCredentials | None:
        row = await retried(lambda: self._pool.fetchrow(_SQL["find"], email), self._deadline_seconds)
        return None if row is None else StoredCredentials(**row)
