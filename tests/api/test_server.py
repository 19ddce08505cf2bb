"""Heads that grow, and what is no request: the server bounds the first and refuses the second."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from api.port import CannotListen
from api.server import Server
from infrastructure.settings import Settings
from tests.api.hello import HELLO, application, post
from tests.api.wire import Wire, answer_to, listening, port_of


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening(application) as running:
        yield running


LONG = {
    "a header of 2 MB": HELLO[:-2] + b"X-Long: " + b"a" * (2 << 20) + b"\r\n\r\n",
    "200 headers": HELLO[:-2] + b"X-Many: 1\r\n" * 200 + b"\r\n",
    "a million headers": HELLO[:-2] + b"X-Many: 1\r\n" * 1_000_000 + b"\r\n",
    "a long request line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long name of a header": HELLO[:-2] + b"a" * 100_000 + b": 1\r\n\r\n",
}


@pytest.mark.parametrize("kind", LONG)
async def test_a_head_that_is_too_long_is_refused_and_not_kept(server: Server, kind: str) -> None:
    memory = psutil.Process().memory_info().rss
    answer = await answer_to(server, LONG[kind])
    assert (answer.status, answer.problem["code"]) == (431, "headers_too_large")
    assert psutil.Process().memory_info().rss - memory < 16 << 20


async def test_a_long_head_is_no_longer_than_its_limit(server: Server) -> None:
    assert (await answer_to(server, HELLO[:-2] + b"X-Long: " + b"a" * 30_000 + b"\r\n\r\n")).status == 200
    assert (await answer_to(server, HELLO[:-2] + b"X-Long: " + b"a" * 33_000 + b"\r\n\r\n")).status == 431


CHUNKED = b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "end",
    [
        b"5\r\nhello\r\n0\r\n" + b"X-Many: 1\r\n" * 100_000,
        b"5;a=" + b"a" * 2_000_000,
        b"0\r\nX: " + b"a" * 2_000_000,
    ],
    ids=["trailers", "an extension", "a trailer"],
)
async def test_what_surrounds_chunks_is_bounded_too(server: Server, end: bytes) -> None:
    assert (await answer_to(server, CHUNKED + end)).status in (400, 431)


async def test_chunks_of_one_byte_are_read(server: Server) -> None:
    assert (await answer_to(server, CHUNKED + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")).status == 200


NO_REQUEST = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host with a space": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "both lengths": CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": post(5)[:-2] + b"Content-Length: 6\r\n\r\nhello",
    "a length that is none": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    "chunked twice": CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and more": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "an unknown method": b"FETCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a null in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "bytes in the path": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("kind", NO_REQUEST)
async def test_what_is_no_request_is_refused(server: Server, kind: str) -> None:
    wire = await (await Wire.to(server)).says(NO_REQUEST[kind])
    answer = await wire.answer()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert answer.problem["request_id"]
    assert await wire.rest() == b""


async def test_http_1_0_needs_no_host(server: Server) -> None:
    assert (await answer_to(server, b"GET / HTTP/1.0\r\n\r\n")).status == 200


async def test_requests_sent_together_are_answered_in_order(server: Server) -> None:
    wire = await (await Wire.to(server)).says(HELLO + post(2) + b"xx" + HELLO)
    for _ in range(3):
        assert (await wire.answer()).status == 200


async def test_a_head_leaves_while_its_body_is_still_awaited() -> None:
    head_came = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await head_came.wait()
        await send({"type": "http.response.body", "body": b"hello"})

    async with listening(slow) as server, asyncio.timeout(10):
        wire = await (await Wire.to(server)).says(HELLO)
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        head_came.set()
        assert await wire.reader.readexactly(5) == b"hello"


async def test_an_answer_without_a_body_leaves_too(server: Server) -> None:
    wire = await (await Wire.to(server)).says(b"HEAD" + HELLO[3:] + HELLO)
    assert (await wire.answer("HEAD")).status == 200
    assert (await wire.answer()).body == b"hello"


async def test_the_last_answer_of_a_connection_is_whole(server: Server) -> None:
    wire = await (await Wire.to(server)).says(HELLO[:-2] + b"Connection: close\r\n\r\n")
    assert (await wire.rest()).endswith(b"\r\n\r\nhello")


async def test_a_body_that_breaks_off_in_its_form_is_refused(server: Server) -> None:
    wire = await (await Wire.to(server)).says(CHUNKED + b"5\r\nhello\r\nzz\r\n")
    assert (await wire.answer()).status == 400


async def test_an_answer_reaches_a_client_that_is_still_sending() -> None:
    async with listening(application) as server:
        wire = await Wire.to(server)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\nConnection: close\r\n\r\n"
        sending = asyncio.create_task(wire.says(head + b"x" * 20_000_000))
        await sending
        assert (await wire.answer()).status == 200


async def test_a_port_that_is_taken_is_named(server: Server) -> None:
    taken = Server(application, replace(Settings(), port=port_of(server)))
    with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port_of(server)}: "):
        await taken.serve()
