"""A line to the server that loses answers, falls silent or breaks when a test says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 1 << 16


class Wire:
    """A TCP relay between clients and the server."""

    def __init__(self, server_url: str) -> None:
        self._target = urlsplit(server_url)
        self._port = 0
        self._answer_to_lose: bytes | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._held_back = asyncio.Event()
        self._lines: set[Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        user = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{user}@127.0.0.1:{self._port}"))

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose_the_answer(self, *, to: bytes = b"") -> None:
        """To the next request that contains `to` there is no answer: its connection breaks instead."""
        self._answer_to_lose = to

    @property
    def is_to_lose_an_answer(self) -> bool:
        return self._answer_to_lose is not None

    @property
    def is_silent(self) -> bool:
        return not self._open.is_set()

    def fall_silent(self) -> None:
        self._open.clear()

    def recover(self) -> None:
        self._open.set()

    async def until_it_holds_something_back(self) -> None:
        await self._held_back.wait()

    def cut(self) -> None:
        """Breaks every connection there is."""
        for line in self._lines:
            line.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            reached = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:  # The server is down: to the client the connection breaks.
            writer.transport.abort()
            return
        line = Line(writer, *reached)
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_requests(reader, line))
                group.create_task(self._pass_answers(line))
        finally:
            line.cut()
            self._lines.discard(line)

    async def _pass_requests(self, client: asyncio.StreamReader, line: "Line") -> None:
        with suppress(OSError):
            while request := await client.read(CHUNK_BYTES):
                await self._until_open()
                if self._answer_to_lose is not None and self._answer_to_lose in request:
                    line.loses_answer, self._answer_to_lose = True, None
                line.server_writer.write(request)
                await line.server_writer.drain()
        line.cut()

    async def _pass_answers(self, line: "Line") -> None:
        with suppress(OSError):
            while (answer := await line.server_reader.read(CHUNK_BYTES)) and not line.loses_answer:
                await self._until_open()
                line.client_writer.write(answer)
                await line.client_writer.drain()
        line.cut()

    async def _until_open(self) -> None:
        if not self._open.is_set():
            self._held_back.set()
            await self._open.wait()


class Line:
    """One connection: both its ends."""

    def __init__(
        self,
        client_writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self.client_writer = client_writer
        self.server_reader = server_reader
        self.server_writer = server_writer
        self.loses_answer = False

    def cut(self) -> None:
        self.client_writer.transport.abort()
        self.server_writer.transport.abort()
