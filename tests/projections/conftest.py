"""Empty read models on a real PostgreSQL for each test, and nobody with credentials."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS
from infrastructure.postgres.migrate import migrate as migrate_log
from infrastructure.postgres.pool import READ_SCHEMA, SEARCH_PATH
from projections.models import migrate
from tests.keys import Everybody

PARTITIONS = 4


@pytest.fixture
def store() -> InMemoryEventStore:
    return InMemoryEventStore(partition_count=PARTITIONS, person_keys=Everybody())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def connections(postgres_url: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    settings = {"search_path": SEARCH_PATH}
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=8, server_settings=settings) as pool:
        async with pool.acquire() as connection:
            await migrate_log(connection, LOG_COMPONENT, LOG_MIGRATIONS)
        yield pool


@pytest.fixture
async def pool(connections: "asyncpg.Pool[Any]") -> "asyncpg.Pool[Any]":
    async with connections.acquire() as connection:
        await connection.execute(f"drop schema if exists {READ_SCHEMA} cascade")
        await connection.execute("truncate credentials")
        await migrate(connection)
    return connections
