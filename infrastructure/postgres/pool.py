"""Connections to PostgreSQL, with a limit on everything that could wait for ever."""

from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from infrastructure.postgres.retry import retried

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection | PoolConnectionProxy

SEARCH_PATH: Final = "read, public"
"""Read models live in schema `read`; a rebuild makes new ones in another schema and renames it."""

SESSION_SETTINGS: Final = {
    "search_path": SEARCH_PATH,
    # Every statement is short; compiling one would cost more than running it.
    "jit": "off",
    # A frozen process must not keep partitions of the log locked.
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
}


async def create_pool(
    database_url: str,
    *,
    application_name: str = "stenolog",
    size_max: int = 10,
    connect_seconds: float = 30.0,
    command_seconds: float = 30.0,
) -> Pool:
    """Opens a pool, which the caller closes, as in `async with await` this `as pool`.

    Waits up to `connect_seconds` for a server that is still starting. A command that takes longer than
    `command_seconds` is cancelled and raises TimeoutError. Raises DatabaseUnavailable.
    """

    async def connect() -> Pool:
        return await asyncpg.create_pool(
            database_url,
            min_size=1,
            max_size=size_max,
            timeout=connect_seconds,
            command_timeout=command_seconds,
            server_settings={"application_name": application_name, **SESSION_SETTINGS},
            reset=_leave_as_it_is,
        )

    return await retried(connect, connect_seconds)


async def _leave_as_it_is(_connection: Connection) -> None:
    """Instead of a reset of the whole session after each use: a round trip as long as many a query.

    Nothing of ours changes its session, except for a rebuild, which resets it. Transactions that were left open
    are rolled back all the same.
    """
