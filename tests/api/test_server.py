"""Connections that last, heads that grow, bodies and readers that stop: the server bounds each, and serves the others."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from api.crowd import Limits
from api.server import DESCRIPTORS_KEPT, CannotListen, Server, fitting
from infrastructure.settings import Settings
from tests.api.wire import Wire, answer_to, listening, port_of
from tests.projections.running import until

HELLO = b"GET / HTTP/1.1\r\nHost: stenolog\r\n\r\n"
BRISK = Limits(head_seconds=1.0, idle_seconds=1.0, drain_seconds=1.0, write_seconds=1.0)
LARGE = b"x" * (16 << 20)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 at once, /large with a lot, and /read when it has read the body."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
        return
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    body = LARGE if scope["path"] == "/large" else b"hello"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening(application) as running:
        yield running


@pytest.fixture
async def brisk() -> AsyncIterator[Server]:
    async with listening(application, BRISK) as running:
        yield running


# Idle and slow


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-Half"],
    ids=["nothing", "half a line", "half a header"],
)
async def test_a_head_that_does_not_come_is_not_waited_for(brisk: Server, said: bytes) -> None:
    wire = await (await Wire.to(brisk)).says(said)
    answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 408 ") if said else answer == b""


async def test_a_head_that_drips_has_no_longer_than_one_that_stops(brisk: Server) -> None:
    wire = await Wire.to(brisk)
    dripping = asyncio.create_task(drip(wire, HELLO[:-2] + b"X-A: " + b"a" * 10_000))
    assert (await wire.rest()).startswith(b"HTTP/1.1 408 ")
    dripping.cancel()


async def drip(wire: Wire, content: bytes) -> None:
    for byte in content:
        await wire.says(bytes([byte]))
        await asyncio.sleep(0.05)


async def test_a_head_that_comes_in_pieces_is_answered(server: Server) -> None:
    wire = await Wire.to(server)
    for byte in HELLO:
        await wire.says(bytes([byte]))
    assert (await wire.answer()).status == 200


async def test_a_connection_with_nothing_more_to_ask_is_ended(brisk: Server) -> None:
    wire = await (await Wire.to(brisk)).says(HELLO)
    assert (await wire.rest()).endswith(b"hello")


async def test_what_was_answered_before_its_body_came_is_read_for_a_while_and_no_longer(
    brisk: Server,
) -> None:
    wire = await (await Wire.to(brisk)).says(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    )
    assert (await wire.answer()).status == 200
    dripping = asyncio.create_task(drip(wire, b"x" * 100_000))
    assert await wire.rest() == b""
    dripping.cancel()


async def test_a_connection_goes_on_after_a_body_that_nobody_read(server: Server) -> None:
    wire = await (await Wire.to(server)).says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
    assert (await wire.answer()).status == 200
    await wire.says(b"x" * 100 + HELLO)
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize("ends", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
async def test_a_client_that_does_not_take_its_answer_is_given_up(brisk: Server, ends: bytes) -> None:
    wire = await Wire.to(brisk)
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it can, as all transports of sockets
    await wire.says(b"GET /large HTTP/1.1\r\nHost: a\r\n" + ends + b"\r\n")
    await until(lambda: same(len(brisk.server_state.connections), 1))
    await until(lambda: same(len(brisk.server_state.connections), 0))


async def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(brisk: Server) -> None:
    wire = await (await Wire.to(brisk)).says(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    taken = 0
    while piece := await wire.reader.read(1 << 20):
        taken += len(piece)
        await asyncio.sleep(0.01)
    assert taken > len(LARGE)


async def same(found: int, expected: int) -> bool:
    return found == expected


# Many


async def test_the_connection_idle_for_longest_makes_room_for_a_new_one() -> None:
    async with listening(application, Limits(connections=3)) as server:
        wires = [await (await Wire.to(server)).says(HELLO) for _ in range(3)]
        for wire in wires:
            await wire.answer()
        await wires[0].says(HELLO)
        await wires[0].answer()
        assert (await answer_to(server, HELLO)).status == 200
        assert await wires[1].rest() == b""
        for wire in (wires[0], wires[2]):
            assert (await (await wire.says(HELLO)).answer()).status == 200


async def test_a_request_in_progress_never_makes_room() -> None:
    async with listening(application, Limits(connections_per_source=2)) as server:
        reading = await (await Wire.to(server)).says(post(10) + b"x")
        idle = await Wire.to(server)
        assert (await answer_to(server, HELLO)).status == 200
        assert await idle.rest() == b""
        await reading.says(b"x" * 9)
        assert (await reading.answer()).status == 200


async def test_where_nobody_can_go_the_newcomer_does() -> None:
    async with listening(application, Limits(connections=1)) as server:
        reading = await (await Wire.to(server)).says(post(10) + b"x")
        await until(lambda: same(len(server.server_state.tasks), 1))
        assert await (await Wire.to(server)).rest() == b""
        assert (await (await reading.says(b"x" * 9)).answer()).status == 200


async def test_beyond_so_many_requests_at_once_one_is_told_to_come_back() -> None:
    async with listening(application, Limits(requests=2)) as server:
        reading = [await (await Wire.to(server)).says(post(10) + b"x") for _ in range(2)]
        await until(lambda: same(len(server.server_state.tasks), 2))
        answer = await answer_to(server, HELLO)
        assert (answer.status, answer.problem["code"], answer.headers["retry-after"]) == (503, "busy", "2")
        for wire in reading:
            assert (await (await wire.says(b"x" * 9)).answer()).status == 200
        assert (await answer_to(server, HELLO)).status == 200


async def test_bodies_that_have_stopped_make_room_for_others() -> None:
    async with listening(application, Limits(requests=2)) as server:
        stalled = [await (await Wire.to(server)).says(post(10) + b"x") for _ in range(2)]
        await asyncio.sleep(2.1)  # as long as a body may rest when others wait
        assert (await answer_to(server, HELLO)).status == 200
        assert (await stalled[0].answer()).status == 408
        assert (await (await stalled[1].says(b"x" * 9)).answer()).status == 200


async def test_thousands_of_idle_connections_change_nothing_for_others(server: Server) -> None:
    memory = psutil.Process().memory_info().rss
    kept = await (await Wire.to(server)).says(HELLO)
    assert (await kept.answer()).status == 200
    idle = [await silent(server) for _ in range(3_000)]
    for _ in range(20):
        assert (await answer_to(server, HELLO)).status == 200
    limit = server.server_state.limits.connections_per_source  # type: ignore[attr-defined]  # of our own state
    assert len(server.server_state.connections) <= limit
    assert psutil.Process().memory_info().rss - memory < 64 << 20
    for each in idle:
        each.close()


async def silent(server: Server) -> socket.socket:
    each = socket.socket()
    each.setblocking(False)
    await asyncio.get_running_loop().sock_connect(each, ("127.0.0.1", port_of(server)))
    return each


def test_there_are_never_more_connections_than_files() -> None:
    assert fitting(Limits(), 1_024).connections == 1_024 - DESCRIPTORS_KEPT
    assert fitting(Limits(), 1 << 20) == Limits()


async def test_what_has_ended_leaves_nothing_behind(server: Server) -> None:
    for _ in range(50):
        assert (await answer_to(server, HELLO)).status == 200
    await until(lambda: same(len(server.server_state.connections), 0))
    gc.collect()
    assert len(server.server_state.crowd) == 0  # type: ignore[attr-defined]  # of our own state


# Heads


def post(length: int) -> bytes:
    return f"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()


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
