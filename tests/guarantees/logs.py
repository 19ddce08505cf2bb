"""The logs that are tailed: ours on a real PostgreSQL, and the recorder of the `eventsourcing` package on the same."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from tests.contracts.log_entries import append, provenance
from tests.guarantees.following import PATIENCE_SECONDS, WRITERS, Sighting
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.keys import keys_on

CONNECTIONS = WRITERS + PARTITION_COUNT + 4

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class OurLog:
    """`clients` are connections without any of our limits, as somebody with psql would have them."""

    stores: Sequence[PostgresEventStore]
    log: PostgresEventLog
    clients: Pool

    @property
    def partition_count(self) -> int:
        return self.log.partition_count

    def _store(self, owner: int) -> PostgresEventStore:
        return self.stores[owner // PARTITION_COUNT % len(self.stores)]

    async def append(self, owner: int, at: int, count: int) -> None:
        await self._store(owner).append(
            [append(UUID(int=owner), *range(1, count + 1), at=at)], provenance()
        )

    @asynccontextmanager
    async def appending(self, owner: int, at: int, count: int) -> AsyncIterator[None]:
        entry = append(UUID(int=owner), *range(1, count + 1), at=at)
        async with self.clients.acquire() as connection, connection.transaction():
            await self._store(owner).append_within(connection, [entry], provenance())
            yield

    async def read(self, partition: int, after: int, limit: int) -> Sequence[Sighting]:
        records = await self.log.read(partition, after, limit)
        return [Sighting(each.seq, each.stream_id, each.version) for each in records]


@asynccontextmanager
async def our_log(url: str, hold_seconds: float, *changes: str) -> AsyncIterator[OurLog]:
    """Two stores, as two processes would have them, that wait for whoever holds a partition. `changes` is SQL."""
    patience_seconds = hold_seconds + PATIENCE_SECONDS
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(await create_pool(url)) for _ in range(2)]
        await migrate(pools[0], LOG_COMPONENT, LOG_MIGRATIONS)
        await claim_partition_count(pools[0], PARTITION_COUNT)
        for change in changes:
            await pools[0].execute(change)
        stores = [
            PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool), deadline_seconds=patience_seconds)
            for pool in pools
        ]
        yield OurLog(
            [await stack.enter_async_context(store) for store in stores],
            await stack.enter_async_context(PostgresEventLog(pools[0], PARTITION_COUNT)),
            await stack.enter_async_context(
                asyncpg.create_pool(url, min_size=1, max_size=WRITERS + 1, command_timeout=patience_seconds)
            ),
        )


@dataclass(frozen=True)
class PackageLog:
    """The package is synchronous, so each call runs in a thread."""

    recorder: PostgresApplicationRecorder
    threads: ThreadPoolExecutor
    partition_count: int = 1

    async def _call(self, call: Callable[..., Answer], *args: Any) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, *args)

    async def append(self, owner: int, at: int, count: int) -> None:
        await self._call(self.recorder.insert_events, _events(owner, at, count))

    @asynccontextmanager
    async def appending(self, owner: int, at: int, count: int) -> AsyncIterator[None]:
        transaction = self._transaction(_events(owner, at, count))
        await self._call(transaction.__enter__)
        try:
            yield
        except BaseException as problem:
            if not await self._call(transaction.__exit__, type(problem), problem, problem.__traceback__):
                raise
        else:
            await self._call(transaction.__exit__, None, None, None)

    @contextmanager
    def _transaction(self, events: Sequence[StoredEvent]) -> Iterator[None]:
        """What insert_events() does, up to the commit."""
        recorder = self.recorder
        with recorder.datastore.get_connection() as connection, connection.transaction():
            with connection.cursor() as cursor:
                if recorder.datastore.enable_db_functions:
                    rows = [
                        recorder.construct_pg_stored_event(
                            each.originator_id, each.originator_version, each.topic, each.state
                        )
                        for each in events
                    ]
                    cursor.execute(recorder.sql_invoke_pg_function_insert_events, (rows,))
                else:
                    recorder._insert_stored_events(cursor, events)
            yield

    async def read(self, partition: int, after: int, limit: int) -> Sequence[Sighting]:
        assert partition == 0
        found = await self._call(self.recorder.select_notifications, after + 1, limit)
        return [Sighting(each.id, str(each.originator_id), each.originator_version) for each in found]


def _events(owner: int, at: int, count: int) -> list[StoredEvent]:
    return [StoredEvent(UUID(int=owner), at + place, "granted", b"{}") for place in range(1, count + 1)]


@asynccontextmanager
async def package_log(url: str, *, enable_db_functions: bool) -> AsyncIterator[PackageLog]:
    parts = urlsplit(url)
    datastore = PostgresDatastore(
        parts.path[1:],
        parts.hostname or "",
        parts.port or 0,
        parts.username or "",
        parts.password or "",
        pool_size=CONNECTIONS,
        max_waiting=CONNECTIONS,
        enable_db_functions=enable_db_functions,
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stored_events")
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        try:
            recorder.create_table()
            datastore.pool.wait(PATIENCE_SECONDS)
            yield PackageLog(recorder, threads)
        finally:
            datastore.close()
