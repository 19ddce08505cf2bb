"""A thousand listeners in one process while transcriptions go on and editors fight: each is told how all of its user's end."""

import asyncio
import gc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import msgspec
import psutil
import pytest

from api.server import Server, raise_descriptor_limit
from tests.api.editors import EDITORS, TURNS, require_nothing_lost, war
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
    """A connection that keeps nothing but which final states it was told, and the newest revision of each."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ends: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def of(cls, person: Person, server: Server) -> Self:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        token = person.client.headers["Authorization"]
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return cls(reader, writer)

    async def listen(self, ends: int, revisions: Mapping[str, int]) -> None:
        """Until it was told so many ends, and that these have come to such a revision."""
        while len(self.ends) < ends or not revisions.items() <= self.revisions.items():
            line = await self.reader.readline()
            assert line, "the stream broke off"
            if line.startswith(b"data:") and b'"status"' in line:
                self._take(msgspec.json.decode(line[len(b"data:") :]))

    def _take(self, state: dict[str, Any]) -> None:
        key = state["transcription_id"]
        revision = state.get("revision", 0)
        assert revision >= self.revisions.get(key, 0), "a state that is older than the one before"
        self.revisions[key] = revision
        if state["status"] in ("completed", "failed", "cancelled"):
            self.ends[key] = state["status"]


@pytest.mark.slow
async def test_a_thousand_listeners_and_a_war_of_editors_miss_nothing(installation: Installation) -> None:
    """The first of the people has twenty programs that edit one transcript while all others listen to theirs."""
    raise_descriptor_limit()
    people = [await Person.arrives(installation) for _ in range(PEOPLE)]
    fought_over = await people[0].has_transcript()
    path = f"/transcriptions/{fought_over}"
    last = {fought_over: TURNS * EDITORS + 1}
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
        hearing = [
            asyncio.create_task(ear.listen(ROUNDS + (place == 0), last if place == 0 else {}))
            for place, ear in ears
        ]
        fighting = asyncio.create_task(war(people[0], path))
        ends = await asyncio.gather(*(_goes_on(person, place) for place, person in enumerate(people)))
        ends[0][fought_over] = "completed"
        await require_nothing_lost(people[0], path, await fighting, words_before=2)
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
