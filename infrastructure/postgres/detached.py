"""Partitions whose table was taken out of the log, and how PostgreSQL says so."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from infrastructure.postgres.errors import TableDetached
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries

DETACHED: Final = "SL002"
"""The SQLSTATE with which the functions of the log refuse what is about such partitions; the text is their numbers."""

_SQL: Final = load_queries(Path(__file__).parent / "log.sql")


@asynccontextmanager
async def detached_told(database: Pool | Connection) -> AsyncIterator[None]:
    """Raises TableDetached where PostgreSQL says DETACHED, or cannot find a table since its partition was taken away."""
    try:
        yield
    except asyncpg.UndefinedTableError as problem:
        if detached := await detached_partitions(database):
            raise TableDetached(detached) from problem
        raise
    except asyncpg.PostgresError as problem:
        if problem.sqlstate != DETACHED:
            raise
        raise TableDetached([int(number) for number in str(problem).split(",")]) from None


async def detached_partitions(database: Pool | Connection) -> Collection[int]:
    return {row["partition"] for row in await database.fetch(_SQL["detached_partitions"])}


async def require_attached(database: Pool | Connection, partitions: Collection[int]) -> None:
    """Raises TableDetached when one of them is not."""
    if detached := set(partitions).intersection(await detached_partitions(database)):
        raise TableDetached(detached)
