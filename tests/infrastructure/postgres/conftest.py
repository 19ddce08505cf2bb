"""A migrated database for each test, and what stands on it."""

from collections.abc import AsyncIterator

import pytest

from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.store import PostgresEventStore
from tests.infrastructure.postgres.database import PARTITION_COUNT, fresh_database, migrated_pool
from tests.keys import keys_on
from tests.stack.servers import Database


@pytest.fixture
async def empty_database_url(postgres: Database) -> AsyncIterator[str]:
    async with fresh_database(postgres) as url:
        yield url


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator[Pool]:
    async with migrated_pool(postgres) as opened:
        yield opened


@pytest.fixture
async def store(pool: Pool) -> AsyncIterator[PostgresEventStore]:
    async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as opened:
        yield opened


@pytest.fixture
async def log(pool: Pool) -> AsyncIterator[PostgresEventLog]:
    async with PostgresEventLog(pool, PARTITION_COUNT) as opened:
        yield opened
