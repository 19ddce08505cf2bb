"""Queries of the API: each with a deadline, and only on a database that has what this version needs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

import asyncpg

from api.checks import NotReady
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, not_applied
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from projections import checkpoints
from projections.live import WINDOWS
from projections.models import READ_MODELS
from projections.projection import versions_of

Reading: TypeAlias = Callable[[], AbstractAsyncContextManager[Connection]]
"""Gives a connection to ask a read model over. Raises DatabaseUnavailable when that takes too long."""

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@asynccontextmanager
async def reading(pool: Pool, seconds: float) -> AsyncIterator[Connection]:
    """A connection to ask a read model over. Raises DatabaseUnavailable after `seconds`.

    The wait for the connection is part of them; a line that is silent takes a second more to be given up.
    """
    try:
        async with asyncio.timeout(seconds), pool.acquire() as connection:
            yield connection
    except TimeoutError as problem:
        raise DatabaseUnavailable(f"no answer to a query within {seconds:g} s") from problem


async def look_at_database(pool: Pool) -> str:
    """Whether it answers and has been brought to this version. Raises NotReady."""
    async with pool.acquire() as connection:
        try:
            missing = await not_applied(connection, LOG_COMPONENT, LOG_MIGRATIONS)
            missing += await connection.fetchval(_SQL["missing_tables"], [*READ_MODELS, WINDOWS])
            missing += await checkpoints.outdated(connection, versions_of(READ_MODELS.values()))
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
            raise NotReady("not migrated: run `stenolog migrate`") from None
    if missing:
        raise NotReady(
            f"not migrated: run `stenolog migrate`, which has {', '.join(missing)} to add or renew"
        )
    return "answers"
