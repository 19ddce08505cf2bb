"""A TCP proxy before a server: it passes everything on until it is told to cut answers short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class CuttingProxy:
    """`answer_bytes_max` is how much of the answers of one connection comes through before it is cut."""

    def __init__(self, endpoint: str) -> None:
        target = urlsplit(endpoint)
        self._target = target.hostname, target.port
        self._serving: set[asyncio.Task[None]] = set()
        self.answer_bytes_max: int | None = None
        self.cuts = 0
        self.endpoint = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["CuttingProxy"]:
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
            server.close()
            while self._serving:  # Also those that were accepted a moment ago.
                for task in self._serving:
                    task.cancel()
                await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        asking = asyncio.create_task(self._pass_on(reader, upstream_writer))
        answering = asyncio.create_task(self._pass_on(upstream_reader, writer, cutting=True))
        try:
            await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            upstream_writer.transport.abort()
            for task in (asking, answering):
                task.cancel()
            await asyncio.gather(asking, answering, return_exceptions=True)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, cutting: bool = False
    ) -> None:
        passed = 0
        while chunk := await reader.read(1 << 14):
            passed += len(chunk)
            if cutting and self.answer_bytes_max is not None and passed > self.answer_bytes_max:
                self.cuts += 1
                return
            writer.write(chunk)
            await writer.drain()
