"""Connections that never say a word, opened again when the server ends them."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from tests.chaos.ledger import Ledger
from tests.end_to_end.installation import eventually

SOURCES: Final = [f"127.0.0.{last}" for last in range(2, 12)] if sys.platform == "linux" else [""]
"""Whence they come, so that the clients, which come from 127.0.0.1, do not pay for what one source may have."""
AGAIN_SECONDS: Final = 1.0
OPEN_SECONDS: Final = 60.0
MOST: Final = 0.9
"""The share that has to be open at the same time: servers may end a few at any moment."""
DESCRIPTORS_SPARE: Final = 1_000


@asynccontextmanager
async def idle_sockets(count: int, urls: Sequence[str], ledger: Ledger) -> AsyncIterator[None]:
    """Holds `count` in all while the block runs, which begins when most of them are open."""
    _allow_descriptors(count + DESCRIPTORS_SPARE)
    holding = _Holding(ledger)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(holding.hold(urls[number % len(urls)], SOURCES[number % len(SOURCES)]))
            for number in range(count)
        ]
        try:
            await eventually(lambda: holding.open >= MOST * count, OPEN_SECONDS, "idle sockets are open")
            yield
        finally:
            for task in tasks:
                task.cancel()


class _Holding:
    def __init__(self, ledger: Ledger) -> None:
        self.open = 0
        self._ledger = ledger

    async def hold(self, url: str, source: str) -> None:
        """One after the other, for ever."""
        address = urlsplit(url)
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    address.hostname, address.port, local_addr=(source, 0) if source else None
                )
            except OSError:  # the server is down
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            try:
                await self._until_ended(reader)
            finally:
                writer.transport.abort()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _until_ended(self, reader: asyncio.StreamReader) -> None:
        self.open += 1
        self._ledger.idle_sockets = max(self._ledger.idle_sockets, self.open)
        try:
            with suppress(OSError):  # a server that is killed does not say goodbye
                while await reader.read(1024):
                    pass
        finally:
            self.open -= 1


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
