"""Connections to PostgreSQL, with a limit on everything that could wait for ever."""

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from infrastructure.postgres.certificates import require_certificates, require_trust
from infrastructure.postgres.connecting import connected

if TYPE_CHECKING:
    _Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    _Connection = asyncpg.Connection
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection | PoolConnectionProxy

READ_SCHEMA: Final = "read"
SEARCH_PATH: Final = f"{READ_SCHEMA}, public"
"""Read models live in a schema of their own; a rebuild makes new ones in another and moves them there."""

SESSION_SETTINGS: Final = {
    "search_path": SEARCH_PATH,
    # Every statement is short; compiling one would cost more than running it.
    "jit": "off",
    # A frozen process must not keep partitions of the log locked.
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "10s",
}

CANCEL_SECONDS_MAX: Final = 1.0


class ImpatientConnection(_Connection):
    """Ends when nobody can have any use of it, so that the pool makes another.

    First, when the server does not say soon that it has stopped with a query that nobody waits for any more: asyncpg
    waits for that as long as for a query, and with it waits who gave the query up at a deadline. Second, when the
    server only reads: after a failover that one stays as it is, and the address leads to another.
    """

    async def _do_execute(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._do_execute(*args, **kwargs)  # type: ignore[misc]  # not public: all statements with arguments go through it
        except asyncpg.ReadOnlySQLTransactionError:
            self.terminate()
            raise

    def _cancel_current_command(self, sent: Any, stopped: "asyncio.Future[object]") -> None:
        super()._cancel_current_command(sent, stopped)  # type: ignore[misc]  # not public, but called by the protocol
        asyncio.get_running_loop().call_later(CANCEL_SECONDS_MAX, self._give_up, stopped)

    def _give_up(self, stopped: "asyncio.Future[object]") -> None:
        if not stopped.done():
            self.terminate()


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
    `command_seconds` is cancelled and raises TimeoutError. Who gives one up sooner waits at most CANCEL_SECONDS_MAX
    for the server to hear of it. Raises DatabaseUnavailable, and without a second try InvalidSetting for a URL that
    cannot work, or DatabaseTurnedAway when a certificate is not accepted. Once the pool is there, that is an outage.
    """

    async def connect() -> Pool:
        await asyncio.to_thread(require_certificates, database_url)
        try:
            return await asyncpg.create_pool(
                database_url,
                min_size=1,
                max_size=size_max,
                timeout=connect_seconds,
                command_timeout=command_seconds,
                server_settings={"application_name": application_name, **SESSION_SETTINGS},
                reset=_leave_as_it_is,
                connection_class=ImpatientConnection,
            )
        except (OSError, asyncpg.ClientConfigurationError) as problem:
            require_trust(problem, database_url)
            raise

    return await connected(database_url, connect, connect_seconds)


async def _leave_as_it_is(_connection: Connection) -> None:
    """Instead of a reset of the whole session after each use: a round trip as long as many a query.

    Nothing of ours changes its session, except for a rebuild, which resets it. Transactions that were left open
    are rolled back all the same.
    """
