"""A thousand listeners in one process while transcriptions go on: each is told how every one of its user's ends."""

import asyncio
import gc
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import psutil
import pytest

from api.server import Server, raise_descriptor_limit
from tests.api.rig import HEARD, Installation, Person, fault, finish, start
from tests.api.test_live_streams import without_lifespan
from tests.api.wire import listening, port_of

PEOPLE = 32
LISTENERS_EACH = 32
ROUNDS = 2
SECONDS_MAX = 120.0
BYTES_A_LISTENER_MAX = 64 << 10
"""Both ends of its connection are in this process. Without the clients it is less than half."""


@dataclass(slots=True)
class Ear:
    """A connection that keeps nothing but which final states it was told."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ends: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def of(cls, person: Person, server: Server) -> Self:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        token = person.client.headers["Authorization"]
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return cls(reader, writer)

    async def listen(self, wanted: int) -> None:
        while len(self.ends) < wanted:
            line = await self.reader.readline()
            assert line, "the stream broke off"
            for status in ("completed", "failed", "cancelled"):
                if f'"status":"{status}"'.encode() in line:
                    self.ends[line.partition(b'"transcription_id":"')[2][:36].decode()] = status


@pytest.mark.slow
async def test_a_thousand_listeners_are_each_told_every_final_state(installation: Installation) -> None:
    raise_descriptor_limit()
    people = [await Person.arrives(installation) for _ in range(PEOPLE)]
    process = psutil.Process()
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(listening(without_lifespan(installation.app)))
        gc.collect()
        memory = process.memory_info().rss
        ears = [
            (place, await Ear.of(people[place], server))
            for _ in range(LISTENERS_EACH)
            for place in range(PEOPLE)
        ]
        assert installation.parts.live.listener_count == PEOPLE * LISTENERS_EACH
        assert process.memory_info().rss - memory < len(ears) * BYTES_A_LISTENER_MAX
        hearing = [asyncio.create_task(ear.listen(ROUNDS)) for _, ear in ears]
        ends = await asyncio.gather(*(_goes_on(person, place) for place, person in enumerate(people)))
        async with asyncio.timeout(SECONDS_MAX):
            await asyncio.gather(*hearing)
        assert all(ear.ends == ends[place] for place, ear in ears)
        for _, ear in ears:
            ear.writer.transport.abort()


async def _goes_on(person: Person, place: int) -> dict[str, str]:
    """Transcriptions that end in each of the three ways; their ends."""
    ends = {}
    for number in range(ROUNDS):
        transcription_id = await person.has_requested(f"{number}.wav")
        key, user_id = UUID(transcription_id), UUID(person.user_id)
        match (place + number) % 3:
            case 0:
                await start(person.installation, key, user_id)
                await finish(person.installation, key, user_id, HEARD)
                ends[transcription_id] = "completed"
            case 1:
                await start(person.installation, key, user_id)
                await fault(person.installation, key)
                ends[transcription_id] = "failed"
            case _:
                await person.client.post(f"/transcriptions/{transcription_id}/cancel")
                ends[transcription_id] = "cancelled"
    return ends
