"""The log and objects that the handlers' tests use serve the dispatcher's as well; tables in memory and in PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dispatcher.migration import migrate_dispatch_tables
from infrastructure.postgres.pool import SEARCH_PATH
from projections.models import migrate
from tests.commands.conftest import credentials, objects, store
from tests.dispatcher.rigs import Rig, memory_rig, postgres_rig

__all__ = ["credentials", "objects", "store"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def connections(postgres_url: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    settings = {"search_path": SEARCH_PATH}
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=4, server_settings=settings) as pool:
        async with pool.acquire() as connection:
            await migrate(connection)
        await migrate_dispatch_tables(pool)
        yield pool


@pytest.fixture(params=["memory", "postgres"])
async def rig(request: pytest.FixtureRequest, connections: "asyncpg.Pool[Any]") -> Rig:
    return memory_rig() if request.param == "memory" else await postgres_rig(connections)
