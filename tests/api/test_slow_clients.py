"""Connections that last, and bodies and readers that stop: the server bounds each, and serves the others."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator

import psutil
import pytest

from api.crowd import Limits
from api.server import DESCRIPTORS_KEPT, Server, fitting
from tests.api.hello import HELLO, LARGE, application, post
from tests.api.wire import Wire, answer_to, listening, port_of
from tests.projections.running import until

BRISK = Limits(head_seconds=1.0, idle_seconds=1.0, drain_seconds=1.0, write_seconds=1.0)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening(application) as running:
        yield running


@pytest.fixture
async def brisk() -> AsyncIterator[Server]:
    async with listening(application, BRISK) as running:
        yield running


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
        asked = b"GET /v1/models HTTP/1.1\r\nHost: stenolog\r\n\r\n"
        openai = await answer_to(server, asked)
        assert (openai.status, json.loads(openai.body)["error"]["type"]) == (503, "server_error")
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
