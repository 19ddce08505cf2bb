"""Idle sockets are as many as was said, and come again."""

import asyncio

from tests.chaos.idle_sockets import idle_sockets
from tests.chaos.ledger import Ledger
from tests.stack.waiting import eventually

COUNT = 20


async def test_as_many_as_was_said_are_open_and_those_that_are_ended_come_again() -> None:
    said: list[bytes] = []
    arrived: list[asyncio.StreamWriter] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(writer)
        said.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ledger = Ledger()
    async with server, idle_sockets(COUNT, [f"http://127.0.0.1:{port}"], ledger):
        await eventually(lambda: len(arrived) == COUNT, "all are open")
        arrived[0].close()
        await eventually(lambda: len(arrived) == COUNT + 1, "the one that was ended comes again")
        assert not any(said)
        assert ledger.idle_sockets == COUNT
    await eventually(lambda: len(said) == COUNT + 1, "all have gone")
