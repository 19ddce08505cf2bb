"""Fresh databases with the event log in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool
from tests.stack.servers import Database

PARTITION_COUNT = 4


@asynccontextmanager
async def fresh_database(server: Database) -> AsyncIterator[str]:
    """The URL of an empty database, dropped at the end."""
    name = f"test_{uuid4().hex}"
    url = await server.create_database(name)
    try:
        yield url
    finally:
        await server.drop_database(name)


@asynccontextmanager
async def migrated_pool(server: Database) -> AsyncIterator[Pool]:
    async with fresh_database(server) as url, await create_pool(url) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        yield pool
