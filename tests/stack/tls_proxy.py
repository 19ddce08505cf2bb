"""Speaks TLS in place of a server that does not, and passes on what is said inside."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

from tests.stack.certificates import Certified

CHUNK_BYTES = 1 << 16
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""Asks a PostgreSQL server for TLS; it answers with one letter (protocol documentation, section 54.2.11)."""

Greeting = Literal["none", "postgres", "postgres without TLS"]


class TlsProxy:
    """What it shows can be changed while it runs; new connections see that."""

    def __init__(self, target: tuple[str, int], shown: Certified, greeting: Greeting) -> None:
        self._target = target
        self._greeting = greeting
        self._lines: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0
        """How many were passed on to the server."""
        self.show(shown)

    def show(self, shown: Certified) -> None:
        self._context = shown.context()

    def cut(self) -> None:
        """Breaks every connection there is."""
        for line in self._lines:
            line.cancel()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["TlsProxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            while self._lines:  # Also those that were accepted a moment ago.
                self.cut()
                await asyncio.gather(*self._lines, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._serve(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)
        # Not in the task itself: one that is cancelled before its first step never comes to its `finally`.
        line.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that does not like the certificate hangs up in the middle of the handshake.
        with suppress(OSError, asyncio.IncompleteReadError):
            if await self._encrypted(reader, writer):
                await self._pass_on(reader, writer)

    async def _encrypted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._greeting != "none":
            if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                return False
            writer.write(b"S" if self._greeting == "postgres" else b"N")
            await writer.drain()
        if self._greeting == "postgres without TLS":
            return False
        await writer.start_tls(self._context)
        return True

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ways = [
            asyncio.create_task(_pump(reader, far_writer)),
            asyncio.create_task(_pump(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.close()


@asynccontextmanager
async def tls_proxy(
    target: tuple[str, int], shown: Certified, greeting: Greeting = "none"
) -> AsyncIterator[TlsProxy]:
    async with TlsProxy(target, shown, greeting).open() as proxy:
        yield proxy


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
