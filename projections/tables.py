"""Where the read models lie in PostgreSQL, and how their tables come to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections import checkpoints
from projections.projection import Projection

PROGRESS: Final = load_queries(Path(__file__).with_name("progress.sql"))
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(hashtext('stenolog tables'))"


async def ensure_tables(
    connection: Connection, schema: str, projections: Sequence[Projection[Any]]
) -> None:
    """Creates what is missing of the tables of these projections and of their checkpoints."""
    async with connection.transaction():
        await connection.execute(_ONE_AT_A_TIME)
        await connection.execute(f"create schema if not exists {schema}")
        await connection.execute(f"set local search_path to {schema}")
        await connection.execute(checkpoints.SQL["create"])
        for projection in projections:
            await connection.execute(projection.queries["create"])


async def ensure_progress(connection: Connection, schema: str) -> None:
    """Creates the table the dispatcher writes progress into; queries join it, so it is there before any."""
    async with connection.transaction():
        await connection.execute(_ONE_AT_A_TIME)
        await connection.execute(f"set local search_path to {schema}")
        await connection.execute(PROGRESS["create"])
