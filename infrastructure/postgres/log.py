"""The readers' view of the log: partitions in order, and a bell when something was appended."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from domain.log import LogRecord
from infrastructure.postgres.errors import TRANSIENT
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.retry import retried
from infrastructure.wake_up import WakeUp
from schemas.queries import load_queries

CHANNEL: Final = "events_appended"
DEADLINE_SECONDS: Final = 10.0
READ_BYTES_MAX: Final = 16 << 20
RELISTEN_SECONDS: Final = 0.5

_SQL: Final = load_queries(Path(__file__).parent / "log.sql")
_logger = logging.getLogger(__name__)


class PostgresEventLog:
    """An EventLog. Enter it before use; it takes one connection of the pool for itself, to listen on.

    Every method raises DatabaseUnavailable when the database gave no answer by the deadline.
    """

    def __init__(
        self, pool: Pool, partition_count: int, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._deadline_seconds = deadline_seconds
        self._wake_up = WakeUp()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises PartitionCountMismatch or DatabaseNotMigrated."""
        await claim_partition_count(self._pool, self._partition_count)
        self._listening = asyncio.create_task(self._listen(), name="event log listener")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listening is not None
        self._listening.cancel()
        await asyncio.wait([self._listening], timeout=self._deadline_seconds)

    @property
    def partition_count(self) -> int:
        return self._partition_count

    async def read(self, partition: int, after_seq: int, limit: int) -> Sequence[LogRecord]:
        """At most READ_BYTES_MAX of data at once, unless a single record has more."""
        query = _SQL["read"]

        async def fetch() -> Sequence[LogRecord]:
            rows = await self._pool.fetch(query, partition, after_seq, limit, READ_BYTES_MAX)
            return [LogRecord(**row) for row in rows]

        return await retried(fetch, self._deadline_seconds)

    async def head(self, partition: int) -> int:
        async def fetch() -> int:
            return int(await self._pool.fetchval(_SQL["head"], partition))

        return await retried(fetch, self._deadline_seconds)

    async def wait_for_append(self, timeout_seconds: float) -> None:
        """While the listening connection is down, only the timeout ends the wait."""
        assert self._listening is not None
        if self._listening.done():
            self._listening.result()
        await self._wake_up.wait(timeout_seconds)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._listen_on(connection)
            except TRANSIENT as problem:
                _logger.warning("cannot listen for appends, polling goes on: %r", problem)
            await asyncio.sleep(RELISTEN_SECONDS)

    async def _listen_on(self, connection: Connection) -> None:
        """Returns when the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(CHANNEL, self._hear)
        # Something may have been appended while nobody listened.
        self._wake_up.ring()
        try:
            await lost.wait()
        finally:
            if not lost.is_set():
                await connection.remove_listener(CHANNEL, self._hear)

    def _hear(self, *_: object) -> None:
        self._wake_up.ring()
