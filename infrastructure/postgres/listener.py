"""Hears channels of PostgreSQL, and listens again when the connection is lost."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from infrastructure.postgres.errors import TRANSIENT
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries

RELISTEN_SECONDS: Final = 0.5
LEAVE_SECONDS_MAX: Final = 5.0
HEARTBEAT_SECONDS: Final = 5.0
"""How often the server is asked whether it is there, and how long it has to answer."""

Hear: TypeAlias = Callable[[str], None]
"""Is called with each payload."""

_SQL: Final = load_queries(Path(__file__).parent / "listener.sql")
_logger = logging.getLogger(__name__)


class Listener:
    """Enter it before use; it takes one connection of the pool for itself, also for several channels.

    `hear` is called with each payload, those of `also` with those of their channels, and `missed` when the connection is
    lost and when listening begins: what was said before that was not heard, and what was heard before may have been taken
    back by a crash of the server.
    A connection on which nothing comes, because nobody is at its other end any more, or because the server is not the
    primary any more, is noticed within two heartbeats.
    """

    def __init__(
        self,
        pool: Pool,
        channel: str,
        hear: Hear,
        missed: Callable[[], None],
        *,
        also: Mapping[str, Hear] | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._pool = pool
        self._channel = channel
        self._hears = {channel: hear, **(also or {})}
        self._missed = missed
        self._heartbeat_seconds = heartbeat_seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen(), name=f"listener on {self._channel}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task], timeout=LEAVE_SECONDS_MAX)

    def require_alive(self) -> None:
        """Raises what ended the listening, if anything did."""
        assert self._task is not None
        if self._task.done():
            self._task.result()

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except TRANSIENT as problem:
                _logger.warning("cannot listen on %s, polling goes on: %r", self._channel, problem)
            await asyncio.sleep(RELISTEN_SECONDS)

    async def _listen_once(self) -> None:
        """Returns when the connection is lost."""
        connection = await self._pool.acquire()
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: self._missed())
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._hears:
                await connection.add_listener(channel, self._heard)
            self._missed()
            await self._until_lost(connection, lost)
        finally:
            await _part_with(self._pool, connection)

    async def _until_lost(
        self, connection: "PoolConnectionProxy[asyncpg.Record]", lost: asyncio.Event
    ) -> None:
        only_reads = False
        while not (lost.is_set() or only_reads):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat_seconds):
                    await lost.wait()
                    return
            answer = await connection.fetchval(_SQL["heartbeat"], timeout=self._heartbeat_seconds)
            only_reads = answer == "on"

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._hears[channel](str(payload))


async def _part_with(pool: Pool, connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
    """A connection that listened is of no use to others, and nobody knows what state a lost one is in."""
    # One that was lost has already gone back to the pool, and knows no calls any more.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()
    await pool.release(connection)
