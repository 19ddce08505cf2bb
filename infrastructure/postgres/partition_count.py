"""The number of partitions, written down at the first start and the same for ever."""

from pathlib import Path
from typing import Final

import asyncpg

from infrastructure.postgres.errors import DatabaseNotMigrated, PartitionCountMismatch
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

DEADLINE_SECONDS: Final = 30.0
"""As long as a process that starts waits for the database at first."""

NOT_READY: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    # Whoever runs the migration may create tables; a process that only finds them there need not.
    asyncpg.InsufficientPrivilegeError,
)

_SQL: Final = load_queries(Path(__file__).parent / "log.sql")


async def claim_partition_count(pool: Pool, partition_count: int) -> None:
    """Raises PartitionCountMismatch when the log was started with another one, DatabaseNotMigrated, or DatabaseUnavailable."""

    async def claim() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await _claim(connection, partition_count)

    try:
        await retried(claim, DEADLINE_SECONDS)
    except NOT_READY as problem:
        raise DatabaseNotMigrated from problem


async def _claim(connection: Connection, partition_count: int) -> None:
    stored = await connection.fetchval(_SQL["select_partition_count"])
    if stored is None:
        await connection.execute(_SQL["write_down_partition_count"], partition_count)
        stored = await connection.fetchval(_SQL["select_partition_count"])
    if stored != partition_count:
        raise PartitionCountMismatch(stored, partition_count)
    if await connection.fetchval(_SQL["count_partitions"]) < partition_count:
        await connection.execute(_SQL["create_partitions"], partition_count)
