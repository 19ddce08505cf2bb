"""Keeps servers running: starts them in order, restarts what dies, stops what needs them before them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Final

from embedded.leftovers import ProcessRecord
from embedded.processes import last_words
from embedded.servers import Misconfigured, Server, StartFailed

Say = Callable[[str], None]
"""Takes one line for the person at the keyboard."""

_BACKOFF_FIRST_SECONDS: Final = 0.2
_BACKOFF_LAST_SECONDS: Final = 10.0
_STEADY_SECONDS: Final = 30.0
"""A process that ran for so long had no trouble starting."""
_STOP_SECONDS: Final = 30.0
"""For all servers together; then the rest of them is killed."""


@asynccontextmanager
async def supervised(record: ProcessRecord, say: Say) -> AsyncIterator["Supervisor"]:
    """When the context is left, in whatever way, everything started in it has ended.

    Raises an exception group: with Misconfigured for a process that cannot work, with what the body raised.
    """
    async with contextlib.AsyncExitStack() as afterwards, asyncio.TaskGroup() as watchers:
        supervisor = Supervisor(watchers, record, say)
        afterwards.callback(record.all_ended)
        afterwards.push_async_callback(supervisor.stop_all)
        try:
            yield supervisor
        finally:
            supervisor.look_away()


class Supervisor:
    def __init__(self, watchers: asyncio.TaskGroup, record: ProcessRecord, say: Say) -> None:
        self._watchers = watchers
        self._record = record
        self._say = say
        self._servers: list[Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, server: Server) -> None:
        """Starts a server and keeps it running from now on. Raises StartFailed."""
        began = time.monotonic()
        await server.start()
        self._note(server)
        self._servers.append(server)
        self.keep_doing(self._keep_running(server))
        self._say(f"started {server.name} ({time.monotonic() - began:.1f} s)")

    def keep_doing(self, chore: Coroutine[None, None, None]) -> None:
        """Runs the chore until the end; its failure is everybody's."""
        self._tasks.append(self._watchers.create_task(chore))

    def look_away(self) -> None:
        """From now on what ends is not started again."""
        for task in self._tasks:
            task.cancel()

    async def stop_all(self) -> None:
        """Each with a chance to end cleanly, all within a deadline."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._stop_in_order()
        except TimeoutError:
            self.kill_all()
            await _stop_together(self._servers)

    async def _stop_in_order(self) -> None:
        """First, together, all that no other needs; then the others in reverse order."""
        await _stop_together([each for each in self._servers if not each.others_need_it])
        for server in self._servers[::-1]:
            if server.others_need_it:
                await server.stop()

    def kill_all(self) -> None:
        for server in self._servers:
            server.kill()

    async def _keep_running(self, server: Server) -> None:
        backoff_seconds = _BACKOFF_FIRST_SECONDS
        while True:
            started = time.monotonic()
            code = await server.wait()
            if code == server.misconfigured_code:
                raise Misconfigured(server.name, "cannot use its settings", server.command().log)
            if time.monotonic() - started > _STEADY_SECONDS:
                backoff_seconds = _BACKOFF_FIRST_SECONDS
            log = server.command().log
            how = f"{server.name} ended with code {code} (see {log}): {last_words(log) or 'without a word'}"
            self._say(f"{how}; starting it again in {backoff_seconds:.1f} s")
            await asyncio.sleep(backoff_seconds)
            await self._restart(server)
            backoff_seconds = min(2 * backoff_seconds, _BACKOFF_LAST_SECONDS)

    async def _restart(self, server: Server) -> None:
        try:
            await server.start()
        except StartFailed as problem:
            self._say(str(problem))
        else:
            self._note(server)

    def _note(self, server: Server) -> None:
        if server.pid is not None:
            self._record.started(server.name, server.pid)


async def _stop_together(servers: Iterable[Server]) -> None:
    await asyncio.gather(*(server.stop() for server in servers))
