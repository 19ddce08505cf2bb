"""Leaving for good: from the answer on nothing is shown and nothing is taken, by whichever process is asked."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from api.errors import STATUS_OF
from dispatcher.erasing import Eraser, ErasureLimits
from dispatcher.erasures import PostgresErasures
from domain.errors import PersonErased
from domain.user import USER
from infrastructure.postgres.errors import OUTAGES
from infrastructure.settings import Settings
from projections.models import READ_MODELS
from tests.api.rig import PASSWORD, Installation, Person, in_one_task, installed, sound
from tests.keys import keys_on
from tests.projections.running import until

WRONG = "a wrong password, however long it is"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other(settings: Settings) -> AsyncIterator[Installation]:
    """A second process of the same API."""
    with tempfile.TemporaryDirectory() as spool:
        async with in_one_task(installed(settings, Path(spool))) as running:
            yield running


async def leaves(person: Person, password: str = PASSWORD) -> httpx.Response:
    return await person.client.request("DELETE", "/auth/me", json={"password": password})


async def reads(client: httpx.AsyncClient, file_id: str, transcription_id: str) -> dict[str, int]:
    """Every query there is, plain and otherwise, and what it answers."""
    paths = [
        "/auth/me",
        "/files",
        "/files?limit=1",
        f"/files/{file_id}",
        f"/files/{file_id}/content",
        "/transcriptions",
        "/transcriptions?limit=1",
        f"/transcriptions/{transcription_id}",
        f"/transcriptions/{transcription_id}/transcript",
        f"/transcriptions/{transcription_id}/export?format=srt",
        "/user/quota",
        "/search?q=hello",
    ]
    return {path: (await client.get(path)).status_code for path in paths}


async def commands(client: httpx.AsyncClient, file_id: str, transcription_id: str) -> dict[str, int]:
    answers = {
        "request": await client.post("/transcriptions", json={"file_id": file_id}),
        "cancel": await client.post(f"/transcriptions/{transcription_id}/cancel"),
        "edit": await client.put(f"/transcriptions/{transcription_id}/text", json={"transcript_text": "x"}),
        "upload": await client.post("/files/upload", files={"file": ("talk.wav", sound())}),
        "erase": await client.request("DELETE", "/auth/me", json={"password": PASSWORD}),
    }
    return {name: answer.status_code for name, answer in answers.items()}


def client_of(installation: Installation, person: Person) -> httpx.AsyncClient:
    client = installation.client()
    client.headers = person.client.headers
    return client


async def test_from_the_answer_on_no_process_shows_or_takes_anything(
    anna: Person, other: Installation
) -> None:
    transcription_id = await anna.has_transcript()
    file_id = (await anna.client.get("/files")).json()[0]["file_id"]
    elsewhere = client_of(other, anna)
    assert set((await reads(elsewhere, file_id, transcription_id)).values()) == {200}
    answer = await leaves(anna)
    assert (answer.status_code, answer.json()) == (
        202,
        {"message": "Your account and all that is in it are being erased"},
    )
    for client in (elsewhere, anna.client):
        assert set((await reads(client, file_id, transcription_id)).values()) == {410}
        assert set((await commands(client, file_id, transcription_id)).values()) == {410}
    problem = (await elsewhere.get("/files")).json()
    assert problem["code"] == "person_erased"


async def test_nobody_else_notices(anna: Person, bert: Person) -> None:
    transcription_id = await bert.has_transcript()
    file_id = (await bert.client.get("/files")).json()[0]["file_id"]
    await leaves(anna)
    assert set((await reads(bert.client, file_id, transcription_id)).values()) == {200}


async def test_it_takes_the_password(anna: Person) -> None:
    answer = await leaves(anna, WRONG)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert (await leaves(anna, "")).status_code == 400
    assert (await anna.client.request("DELETE", "/auth/me", json={})).status_code == 400
    assert (await anna.client.get("/auth/me")).status_code == 200


async def test_it_takes_a_token(installation: Installation) -> None:
    answer = await installation.client().request("DELETE", "/auth/me", json={"password": PASSWORD})
    assert answer.status_code == 401


async def test_who_leaves_logs_in_no_more_and_whoever_guesses_learns_nothing(anna: Person) -> None:
    await leaves(anna)
    fresh = anna.installation.client()
    answer = await fresh.post("/auth/login", json={"email": anna.email, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (410, "person_erased")
    answer = await fresh.post("/auth/login", json={"email": anna.email, "password": WRONG})
    assert answer.status_code == 401


async def test_of_a_hundred_who_ask_at_once_one_is_answered_that_it_is_being_done(anna: Person) -> None:
    answers = await asyncio.gather(*(leaves(anna) for _ in range(40)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(202) == 1
    assert set(statuses) <= {202, 410, 503}
    events = await anna.installation.events_of(anna.user_id)
    assert events.count("UserErasureRequested") == 1


async def test_an_upload_under_way_is_refused_and_leaves_nothing(anna: Person) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="talk.wav"\r\n\r\n'
        yield head
        begun.set()
        await go_on.wait()
        yield sound() + b"\r\n--x--\r\n"

    uploading = asyncio.create_task(
        anna.client.post(
            "/files/upload",
            content=slowly(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    )
    await begun.wait()
    assert (await leaves(anna)).status_code == 202
    go_on.set()
    assert (await uploading).status_code == 410
    assert anna.installation.objects_of(anna.user_id) == []


async def test_guesses_of_the_password_are_counted_with_those_at_the_login(
    settings: Settings, anna: Person
) -> None:
    strict = replace(settings, login_attempts_per_minute=2)
    with tempfile.TemporaryDirectory() as spool:
        async with in_one_task(installed(strict, Path(spool))) as running:
            client = client_of(running, anna)
            credentials = {"email": anna.email, "password": WRONG}
            statuses = [(await client.post("/auth/login", json=credentials)).status_code]
            for _ in range(3):
                answer = await client.request("DELETE", "/auth/me", json={"password": WRONG})
                statuses.append(answer.status_code)
    assert statuses == [401, 401, 429, 429]


async def erase(installation: Installation, user_id: str) -> None:
    parts = installation.parts
    eraser = Eraser(
        PostgresErasures(parts.read_models),
        parts.store,
        parts.objects,
        keys_on(parts.read_models),
        parts.clock,
        limits=ErasureLimits(settle_seconds=0.0, again_seconds=0.05),
        outages=OUTAGES,
    )
    running = asyncio.create_task(eraser.run())

    async def is_erased() -> bool:
        return "UserErased" in await installation.events_of(user_id)

    try:
        await until(is_erased)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_afterwards_nothing_is_there_and_the_address_is_somebody_new(anna: Person) -> None:
    here = anna.installation
    await anna.has_transcript("a talk about Anna.wav")
    await leaves(anna)
    await erase(here, anna.user_id)
    assert here.objects_of(anna.user_id) == []
    assert set((await reads(anna.client, str(uuid4()), str(uuid4()))).values()) <= {410}
    again = Person(here, here.client(), anna.email)
    credentials = {"email": anna.email, "password": PASSWORD}
    assert (await again.client.post("/auth/register", json=credentials)).status_code == 201
    answer = await again.client.post("/auth/login", json=credentials)
    assert answer.json()["user"]["id"] != anna.user_id
    again.client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    assert (await again.client.get("/files")).json() == []
    assert (await anna.client.get("/files")).status_code == 410

    async def is_without_rows() -> bool:
        counts = [
            await here.parts.read_models.fetchval(
                f"select count(*) from {name} where {'id' if name == 'users' else 'user_id'} = $1",
                UUID(anna.user_id),
            )
            for name in READ_MODELS
        ]
        return not any(counts)

    await until(is_without_rows)


async def test_the_answer_to_who_is_erased_has_a_status_of_its_own(anna: Person) -> None:
    assert STATUS_OF[PersonErased] == 410
    await leaves(anna)
    events = await anna.installation.parts.store.read_stream(USER.stream_id(UUID(anna.user_id)))
    assert USER.fold(events).erasure_requested  # type: ignore[arg-type]  # its own events


@pytest.mark.parametrize("body", [{"password": 7}, {"password": PASSWORD, "sure": True}, [], None])
async def test_a_body_that_is_none_is_refused(anna: Person, body: object) -> None:
    answer = await anna.client.request("DELETE", "/auth/me", json=body)
    assert answer.status_code == 400
