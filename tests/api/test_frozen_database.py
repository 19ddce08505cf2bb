"""A database that has frozen costs a client a few seconds, and never half a minute."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from infrastructure.settings import Settings
from tests.api.rig import Installation, Person, in_one_task, installed, projecting
from tests.infrastructure.postgres.wire import Wire
from tests.projections.running import until

WAIT_SECONDS_MAX = 10.0
"""Twice what is promised, since the machine may be busy; without deadlines it is half a minute."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """An API with somebody's data in it, whose line to PostgreSQL falls silent."""

    installation: Installation
    person: Person
    transcription_id: str
    key: str
    """Of the API."""

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await self.person.client.get(path, headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire(settings: Settings) -> AsyncIterator[Wire]:
    async with in_one_task(Wire(settings.database_url).open()) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def thawed(settings: Settings, wire: Wire) -> AsyncIterator[Frozen]:
    through = replace(settings, database_url=wire.url, consistency_wait_seconds=2, query_seconds=3)
    with tempfile.TemporaryDirectory() as spool:
        async with (
            in_one_task(projecting(settings)),
            in_one_task(installed(through, Path(spool))) as installation,
        ):
            person = await Person.arrives(installation)
            transcription_id = await person.has_transcript()
            made = await person.client.post("/api-keys", json={"name": "Bazarr", "scopes": ["read"]})
            yield Frozen(installation, person, transcription_id, made.json()["key"])


@pytest.fixture
def frozen(thawed: Frozen, wire: Wire) -> Iterator[Frozen]:
    wire.fall_silent()
    yield thawed
    wire.recover()


async def test_a_key_is_not_accepted_when_nobody_can_tell_whether_it_was_revoked(frozen: Frozen) -> None:
    answer = await frozen.get("/files", {"Authorization": f"Bearer {frozen.key}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    "path",
    [
        "/auth/me",
        "/files",
        f"/files/{UUID(int=7)}",
        "/transcriptions",
        "/transcriptions/{id}",
        "/transcriptions/{id}/transcript",
        "/transcriptions/{id}/export?format=srt",
        "/user/quota",
    ],
)
async def test_a_query_is_answered_503_soon(frozen: Frozen, path: str) -> None:
    answer = await frozen.get(path.format(id=frozen.transcription_id))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


async def test_a_query_that_waits_for_a_command_is_no_slower(frozen: Frozen) -> None:
    answer = await frozen.get("/transcriptions", headers={"Consistency-Token": "0:1000000"})
    assert answer.status_code == 503


async def test_many_queries_wait_no_longer_than_one(frozen: Frozen) -> None:
    answers = await asyncio.gather(*(frozen.get("/user/quota") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {503}


async def test_the_process_says_that_it_cannot_serve_and_lives(frozen: Frozen) -> None:
    async def it_cannot_serve() -> bool:  # an answer is kept for a second
        answer = await frozen.get("/health/ready")
        detail = answer.json()["parts"]["database"]["detail"]
        return (answer.status_code, detail) == (503, "no answer within 3 s")

    await until(it_cannot_serve)
    assert (await frozen.get("/health/system")).status_code == 503
    assert (await frozen.get("/health/live")).status_code == 200


async def test_afterwards_all_is_as_before(frozen: Frozen, wire: Wire) -> None:
    assert (await frozen.get("/files")).status_code == 503
    wire.recover()

    async def all_is_well() -> bool:
        paths = (f"/transcriptions/{frozen.transcription_id}", "/health/ready")
        return [(await frozen.get(path)).status_code for path in paths] == [200, 200]

    await until(all_is_well)
