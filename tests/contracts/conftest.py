"""The implementations of each port, behind one fixture."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from domain.ports import Credentials, EventLog, EventStore
from infrastructure.memory import InMemoryCredentials, InMemoryEventStore
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.store import PostgresEventStore
from tests.infrastructure.postgres.database import PARTITION_COUNT, migrated_pool
from tests.keys import keys_on
from tests.stack.servers import Database


@dataclass(frozen=True)
class Written:
    """One log with everything that writes to it and reads from it."""

    store: EventStore
    log: EventLog
    credentials: Credentials


@asynccontextmanager
async def in_memory() -> AsyncIterator[Written]:
    store = InMemoryEventStore(PARTITION_COUNT)
    yield Written(store, store, InMemoryCredentials(store))


@asynccontextmanager
async def in_postgres(server: Database) -> AsyncIterator[Written]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(migrated_pool(server))
        store = await stack.enter_async_context(PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)))
        yield Written(
            store,
            await stack.enter_async_context(PostgresEventLog(pool, PARTITION_COUNT)),
            PostgresCredentials(pool, PARTITION_COUNT, store.announce, keys_on(pool)),
        )


@pytest.fixture(params=["memory", "postgres"])
async def written(request: pytest.FixtureRequest, postgres: Database) -> AsyncIterator[Written]:
    async with in_memory() if request.param == "memory" else in_postgres(postgres) as opened:
        yield opened


@pytest.fixture
def store(written: Written) -> EventStore:
    return written.store


@pytest.fixture
def log(written: Written) -> EventLog:
    return written.log


@pytest.fixture
def credentials(written: Written) -> Credentials:
    return written.credentials
