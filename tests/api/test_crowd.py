"""One user's crowd: hundreds of commands at the same moment, against one API and against two."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from commands.execution import execute
from commands.streams import Streams
from domain.media_file import MEDIA_FILE, RecordUpload
from infrastructure.settings import Settings
from tests.api.rig import WORKER_SAYS, Installation, Person, in_one_task, installed
from tests.builders import NOON

MINUTES = 60
"""What the quota holds, and each file costs one of them."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """The same person's clients, one for each of the APIs."""

    person: Person
    clients: Sequence[httpx.AsyncClient]

    async def has_files(self, count: int) -> list[str]:
        """Files of one minute, recorded as uploads are, without their bytes."""
        files = [uuid4() for _ in range(count)]
        await asyncio.gather(*(self._record(file_id) for file_id in files))
        return [str(file_id) for file_id in files]

    async def _record(self, file_id: UUID) -> None:
        user_id = UUID(self.person.user_id)
        command = RecordUpload(
            file_id=file_id,
            user_id=user_id,
            filename="note.wav",
            media_key=f"media/{user_id}/{file_id}",
            media_sha256="ab" * 32,
            size_bytes=1,
            duration_seconds=59.0,
            uploaded_at=NOON,
        )

        def decide(streams: Streams) -> None:
            streams.decide(MEDIA_FILE, file_id, command)

        store = self.person.installation.parts.store
        await execute(store, user_id, [(MEDIA_FILE, file_id)], decide, WORKER_SAYS)

    async def sends(self, path: str, bodies: Sequence[object]) -> Counter[int]:
        """All at once, one after the other to each API; how often each status was answered."""
        clients = [self.clients[number % len(self.clients)] for number in range(len(bodies))]
        headers = {"Prefer": "respond-async", "Authorization": self.person.client.headers["Authorization"]}
        answers = await asyncio.gather(
            *(
                client.post(path, json=body, headers=headers)
                for client, body in zip(clients, bodies, strict=True)
            )
        )
        return Counter(answer.status_code for answer in answers)

    async def minutes_left(self) -> int:
        reserved = await self.person.installation.parts.read_models.fetchval(
            "select count(*) from events where owner_id = $1 and type = 'QuotaReserved'",
            UUID(self.person.user_id),
        )
        return MINUTES - int(reserved)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def second(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Another API on the same database, with a pool, a cache and lines of its own."""
    async with in_one_task(installed(settings, Path(tmp_path_factory.mktemp("spool")))) as running:
        yield running


@pytest.fixture(params=["one API", "two APIs"])
def crowd(
    request: pytest.FixtureRequest, anna: Person, installation: Installation, second: Installation
) -> Crowd:
    both = [installation.client(), second.client()]
    return Crowd(anna, both[:1] if request.param == "one API" else both)


@pytest.mark.parametrize("requests", [80, 500])
async def test_of_many_requests_at_once_exactly_what_the_quota_holds_is_accepted(
    crowd: Crowd, requests: int
) -> None:
    files = await crowd.has_files(requests)
    answers = await crowd.sends("/transcriptions", [{"file_id": file_id} for file_id in files])
    assert answers == {202: MINUTES, 402: requests - MINUTES}
    assert await crowd.minutes_left() == 0


async def test_of_a_hundred_requests_for_one_file_one_is_accepted(crowd: Crowd) -> None:
    [file_id] = await crowd.has_files(1)
    answers = await crowd.sends("/transcriptions", [{"file_id": file_id}] * 100)
    assert answers == {202: 1, 409: 99}
    assert await crowd.minutes_left() == MINUTES - 1


async def test_a_hundred_cancel_what_they_requested(crowd: Crowd) -> None:
    [file_id] = await crowd.has_files(1)
    await crowd.sends("/transcriptions", [{"file_id": file_id}])
    transcription_id = await crowd.person.installation.parts.read_models.fetchval(
        "select substr(stream_id, 15) from events where owner_id = $1 and type = 'TranscriptionRequested'",
        UUID(crowd.person.user_id),
    )
    answers = await crowd.sends(f"/transcriptions/{transcription_id}/cancel", [None] * 100)
    assert answers == {200: 100}
    events = await crowd.person.installation.events_of(crowd.person.user_id)
    assert events.count("TranscriptionCancelled") == events.count("QuotaReleased") == 1
