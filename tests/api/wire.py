"""The server in this process, on a port of its own, and what a client can do with a bare socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, Final, Self, cast

from api.crowd import Limits
from api.server import Server
from infrastructure.settings import Settings

ANSWER_SECONDS_MAX = 30.0


@asynccontextmanager
async def listening(app: Callable[..., Any], limits: Limits | None = None) -> AsyncIterator[Server]:
    server = Server(app, Settings(port=0), limits=limits)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.end()
        await serving
        while _WIRES:
            _WIRES.pop().hangs_up()


def port_of(server: Server) -> int:
    return cast("int", server.servers[0].sockets[0].getsockname()[1])


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self.headers
        body: dict[str, Any] = json.loads(self.body)
        assert body["status"] == self.status
        return body


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, server: Server) -> Self:
        wire = cls(*await asyncio.open_connection("127.0.0.1", port_of(server)))
        _WIRES.append(wire)
        return wire

    async def says(self, content: bytes) -> Self:
        """What a server that has ended the connection does not want to hear is lost, as on any network."""
        try:
            self.writer.write(content)
            await self.writer.drain()
        except ConnectionError:
            pass
        return self

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer, without what may follow it; of one that goes on for ever its head."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            head = await self.reader.readuntil(b"\r\n\r\n")
            response = _parsed(head, method)
            length = int(response.headers["Content-Length"] or 0)
            has_end = response.headers["Content-Type"] != "text/event-stream"
            has_body = method != "HEAD" and response.status not in (204, 304)
            body = await self._body(response, length) if has_body and has_end else b""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, body)

    async def _body(self, response: HTTPResponse, length: int) -> bytes:
        if response.headers["Transfer-Encoding"] != "chunked":
            return await self.reader.readexactly(length)
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body

    async def rest(self) -> bytes:
        """All until the server ends the connection, in whatever way."""
        said = b""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            try:
                while piece := await self.reader.read(1 << 16):
                    said += piece
            except ConnectionError:
                pass
        return said

    def hangs_up(self) -> None:
        self.writer.transport.abort()


async def answer_to(server: Server, content: bytes, method: str = "GET") -> Answer:
    wire = await (await Wire.to(server)).says(content)
    try:
        return await wire.answer(method)
    finally:
        wire.hangs_up()


_WIRES: Final[list[Wire]] = []
"""To be hung up when the server has ended."""


class _Sock:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self._content)


def _parsed(head: bytes, method: str) -> HTTPResponse:
    response = HTTPResponse(_Sock(head), method=method)  # type: ignore[arg-type]  # all that it needs of a socket
    response.begin()
    return response
