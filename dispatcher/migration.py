"""Brings the dispatcher's tables to the shape of this version, also in a database that an older one made."""

import logging
from typing import Final

from dispatcher import queue
from dispatcher.queue import DispatchJob
from dispatcher.removals import REMOVALS
from dispatcher.tables import PostgresDispatchTables
from infrastructure.postgres.pool import READ_SCHEMA, Connection, Pool
from projections.projection import Projection
from projections.tables import ensure_tables

log: Final = logging.getLogger(__name__)

QUEUE: Final = Projection(
    name=queue.NAME,
    row=DispatchJob,
    keys=queue.KEYS,
    project=queue.project,
    queries=queue.SQL,
    keeps_rows=False,
)


async def migrate_dispatch_tables(pool: Pool) -> None:
    """Creates what is missing. A queue of another shape is dropped: it is a fold, and folded again from the topic.

    What workers hold and what users were served is no fold, and stays.
    """
    await PostgresDispatchTables(pool).create()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtext('stenolog tables'))")
        await connection.execute(f"create schema if not exists {READ_SCHEMA}")
        await connection.execute(f"set local search_path to {READ_SCHEMA}")
        is_of_old = await _is_of_another_shape(connection)
        if is_of_old:
            log.warning("the queue has another shape than this version's: it is folded again")
            await connection.execute(queue.SQL["forget"])
        await ensure_tables(connection, READ_SCHEMA, [QUEUE, REMOVALS])
        if is_of_old:
            await connection.execute(queue.SQL["recount"])


async def _is_of_another_shape(connection: Connection) -> bool:
    columns = await connection.fetchval(queue.SQL["columns"])
    return columns is not None and set(columns) != queue.COLUMNS
