"""Password hashes by e-mail address, stored in the statement that registers the user, and marked in that which asks to be erased."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from domain.errors import EmailTaken, PersonErased
from domain.log import Address, Decision, Provenance, StreamAppend
from domain.ports import OwnCredentials, StoredCredentials
from infrastructure.postgres.appending import NewEvents, columns_of, conflict_of, sealed_events
from infrastructure.postgres.detached import detached_told
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried
from schemas.sealing import KeyRing

DEADLINE_SECONDS: Final = 10.0
STREAM_CONFLICT: Final = "SL001"
"""The SQLSTATE with which the functions refuse events that do not fit."""

_SQL: Final = load_queries(Path(__file__).parent / "credentials.sql")


class PostgresCredentials:
    """Raises DatabaseUnavailable at the deadline, or PartitionDetached. `announce` is told each partition in which something was appended."""

    def __init__(
        self,
        pool: Pool,
        partition_count: int,
        announce: Callable[[int], None],
        person_keys: KeyRing,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._announce = announce
        self._person_keys = person_keys
        self._deadline_seconds = deadline_seconds
        # One at a time, so that a partition that is held from outside takes one connection and not all of them.
        self._turns = [asyncio.Lock() for _ in range(partition_count)]

    async def register(
        self,
        email: str,
        credentials: StoredCredentials,
        appends: Sequence[StreamAppend],
        provenance: Provenance,
    ) -> Address:
        # Made once: a second try after a lost answer finds its own row and its own events.
        decisions = [Decision(appends, provenance)]
        events = await sealed_events(decisions, self._partition_count, self._person_keys)
        return await retried(lambda: self._register(email, credentials, events), self._deadline_seconds)

    async def _register(self, email: str, credentials: StoredCredentials, events: NewEvents) -> Address:
        of_user = credentials.user_id, email, credentials.password_hash
        address = await self._call("register", of_user, events)
        if address is None:
            raise EmailTaken
        return address

    async def request_erasure(self, user_id: UUID, append: StreamAppend, provenance: Provenance) -> Address:
        decisions = [Decision([append], provenance)]
        events = await sealed_events(decisions, self._partition_count, self._person_keys)
        address = await retried(
            lambda: self._call("request_erasure", (user_id,), events), self._deadline_seconds
        )
        if address is None:
            raise PersonErased
        return address

    async def _call(self, query: str, of_user: tuple[object, ...], events: NewEvents) -> Address | None:
        """A function that appends the events unless it answers null. Raises VersionConflict."""
        _, *columns = columns_of([events])
        async with self._turns[events.partition], detached_told(self._pool):
            try:
                seq = await self._pool.fetchval(_SQL[query], *of_user, *columns)
            except asyncpg.PostgresError as problem:
                if problem.sqlstate != STREAM_CONFLICT:
                    raise
                raise conflict_of(events, str(problem)) from problem
        if seq is None:
            return None
        self._announce(events.partition)
        return Address(events.partition, seq)

    async def find(self, email: str) -> StoredCredentials | None:
        row = await retried(lambda: self._pool.fetchrow(_SQL["find"], email), self._deadline_seconds)
        return None if row is None else StoredCredentials(**row)

    async def find_of(self, user_id: UUID) -> OwnCredentials | None:
        row = await retried(lambda: self._pool.fetchrow(_SQL["find_of"], user_id), self._deadline_seconds)
        return None if row is None else OwnCredentials(**row)
