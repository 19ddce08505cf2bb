"""API keys over HTTP: shown once, good for their scopes and until they are revoked, in every process."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from api.known_keys import KNOWN_SECONDS
from domain.api_keys import API_KEYS, KEYS_MAX
from domain.key_texts import SECRET_BYTES, SHOWN_CHARACTERS, key_text
from infrastructure.settings import Settings
from tests.api.rig import PASSWORD, Installation, Person, in_one_task, installed
from tests.projections.running import until

NAME = "Bazarr on Anna's NAS"
BOTH = ["read", "write"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other(settings: Settings) -> AsyncIterator[Installation]:
    """A second process of the same API."""
    with tempfile.TemporaryDirectory() as spool:
        async with in_one_task(installed(settings, Path(spool))) as running:
            yield running


async def asks_for_key(person: Person, **members: Any) -> httpx.Response:
    return await person.client.post("/api-keys", json={"name": NAME, "scopes": BOTH} | members)


async def has_key(person: Person, scopes: list[str] = BOTH, **members: Any) -> dict[str, Any]:
    answer = await asks_for_key(person, scopes=scopes, **members)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def with_key(installation: Installation, key: str) -> httpx.AsyncClient:
    client = installation.client()
    client.headers["Authorization"] = f"Bearer {key}"
    return client


async def test_a_key_is_shown_once_and_its_digest_alone_is_kept(anna: Person) -> None:
    made = await has_key(anna)
    assert made["key"].startswith("steno_")
    assert made["prefix"] == made["key"][:SHOWN_CHARACTERS]
    listed = (await anna.client.get("/api-keys")).json()
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    pool = anna.installation.parts.read_models
    stored = await pool.fetch("select data from events where owner_id = $1", UUID(anna.user_id))
    everything = b"".join(row["data"] for row in stored)
    assert sha256(made["key"].encode()).hexdigest().encode() in everything
    assert made["key"][SHOWN_CHARACTERS:].encode() not in everything
    assert NAME.encode() not in everything


async def test_a_key_is_used_like_a_token(anna: Person, other: Installation) -> None:
    made = await has_key(anna)
    for installation in (anna.installation, other):
        client = with_key(installation, made["key"])
        assert (await client.get("/auth/me")).json()["user"]["id"] == anna.user_id
        assert (await client.get("/files?limit=3")).json() == []
        files = {"file": ("talk.wav", b"no sound")}
        assert (await client.post("/files/upload", files=files)).json()["code"] == "media_unreadable"


async def test_what_a_key_did_is_told_of_the_key(anna: Person) -> None:
    made = await has_key(anna)
    client = with_key(anna.installation, made["key"])
    file_id = await anna.has_file()
    assert (await client.post("/transcriptions", json={"file_id": file_id})).status_code == 202
    rows = await anna.installation.parts.read_models.fetch(
        "select type, actor from events where owner_id = $1 order by seq", UUID(anna.user_id)
    )
    actors = {row["type"]: row["actor"] for row in rows}
    assert actors["FileUploaded"] == f"user:{anna.user_id}"
    assert actors["TranscriptionRequested"] == f"api_key:{made['id']}"


@pytest.mark.parametrize(("scope", "denied"), [("read", "write"), ("write", "read")])
async def test_a_key_may_what_its_scopes_say_and_nothing_else(
    anna: Person, scope: str, denied: str
) -> None:
    client = with_key(anna.installation, (await has_key(anna, [scope]))["key"])
    answers = {
        "read": await client.get("/files"),
        "write": await client.post("/transcriptions", json={"file_id": str(uuid4())}),
    }
    assert answers[scope].status_code == {"read": 200, "write": 404}[scope]
    refused = answers[denied]
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    challenge = f'Bearer error="insufficient_scope", scope="{denied}"'
    assert refused.headers["WWW-Authenticate"] == challenge


async def test_no_key_makes_keys_or_touches_the_account(anna: Person) -> None:
    made = await has_key(anna)
    client = with_key(anna.installation, made["key"])
    answers = [
        await client.post("/api-keys", json={"name": "another", "scopes": ["read"]}),
        await client.get("/api-keys"),
        await client.delete(f"/api-keys/{made['id']}"),
        await client.get("/auth/me/export"),
        await client.request("DELETE", "/auth/me", json={"password": PASSWORD}),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert len((await anna.client.get("/api-keys")).json()) == 1


async def test_a_revoked_key_is_refused_at_once_and_elsewhere_within_a_second(
    anna: Person, other: Installation
) -> None:
    made = await has_key(anna)
    here, elsewhere = (with_key(each, made["key"]) for each in (anna.installation, other))
    for client in (here, elsewhere):
        assert (await client.get("/files")).status_code == 200
    answer = await anna.client.delete(f"/api-keys/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Consistency-Token" in answer.headers
    refused = await here.get("/files")
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    async with asyncio.timeout(30 * KNOWN_SECONDS):  # a busy machine; test_known_keys has the second itself
        while (await elsewhere.get("/files")).status_code == 200:
            pass
    assert (await elsewhere.get("/files")).status_code == 401
    assert (await anna.client.get("/api-keys")).json() == []


async def test_revoking_again_finds_nothing_and_nor_does_who_revokes_anothers(
    anna: Person, bert: Person
) -> None:
    made = await has_key(anna)
    theirs = await bert.client.delete(f"/api-keys/{made['id']}")
    assert (theirs.status_code, theirs.json()["code"]) == (404, "api_key_not_found")
    assert (await anna.client.delete(f"/api-keys/{made['id']}")).status_code == 204
    assert (await anna.client.delete(f"/api-keys/{made['id']}")).status_code == 404
    assert (await anna.client.delete("/api-keys/no-id")).status_code == 400


async def test_a_key_expires(anna: Person) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=0.5)
    made = await has_key(anna, expires_at=expires_at.isoformat())
    client = with_key(anna.installation, made["key"])

    async def is_expired() -> bool:
        return (await client.get("/files")).status_code == 401

    await until(is_expired)
    assert datetime.now(UTC) >= expires_at
    answer = await client.get("/files")
    assert "expired" in answer.json()["detail"]
    assert [each["id"] for each in (await anna.client.get("/api-keys")).json()] == [made["id"]]


async def test_a_key_ends_at_the_same_moment_in_whatever_zone_it_was_said(anna: Person) -> None:
    made = await has_key(anna, expires_at="2099-01-01T00:00:00+05:30")
    await has_key(anna, expires_at="9999-12-31T23:59:59.999999Z")
    listed = (await anna.client.get("/api-keys")).json()
    assert made["expires_at"] == "2098-12-31T18:30:00Z"
    assert [each["expires_at"] for each in listed] == [
        "2098-12-31T18:30:00Z",
        "9999-12-31T23:59:59.999999Z",
    ]


async def test_of_many_who_make_keys_at_once_as_many_succeed_as_there_may_be(
    anna: Person, other: Installation
) -> None:
    elsewhere = other.client()
    elsewhere.headers = anna.client.headers
    body = {"name": NAME, "scopes": ["read"]}
    clients = [anna.client, elsewhere] * 50
    answers = await asyncio.gather(*(client.post("/api-keys", json=body) for client in clients))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == KEYS_MAX
    assert set(statuses) == {201, 409}
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "too_many_api_keys"
    events = await anna.installation.events_of(anna.user_id)
    assert events.count("ApiKeyCreated") == KEYS_MAX
    assert len({answer.json()["key"] for answer in answers if answer.status_code == 201}) == KEYS_MAX


async def test_when_a_key_was_used_last_is_told(anna: Person) -> None:
    made = await has_key(anna)
    assert made["last_used_at"] is None
    asked_at = datetime.now(UTC)
    await with_key(anna.installation, made["key"]).get("/files")
    [listed] = (await anna.client.get("/api-keys")).json()
    assert abs(datetime.fromisoformat(listed["last_used_at"]) - asked_at) < timedelta(minutes=1)
    await anna.client.delete(f"/api-keys/{made['id']}")
    assert await anna.installation.parts.key_uses.last_uses(UUID(anna.user_id)) == {}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["account"]}, None),
        ({"scopes": "read"}, None),
        ({"scopes": None}, None),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, None),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:59"}, "expires_at"),
        ({"expires_at": "soon"}, None),
        ({"colour": "blue"}, "colour"),
    ],
)
async def test_a_key_that_nobody_could_mean_is_refused(
    anna: Person, members: dict[str, Any], field: str | None
) -> None:
    answer = await asks_for_key(anna, **members)
    assert answer.status_code == 400, answer.text
    if field:
        assert answer.json()["field"] == field
    assert (await anna.client.get("/api-keys")).json() == []


async def test_made_up_and_mistyped_keys_are_refused(anna: Person) -> None:
    made = await has_key(anna)
    guessed = key_text(bytes(SECRET_BYTES), UUID(anna.user_id))
    of_nobody = key_text(bytes(SECRET_BYTES), uuid4())
    for key in (guessed, of_nobody, made["key"][:-1], made["key"].lower(), "steno_"):
        answer = await with_key(anna.installation, key).get("/files")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_who_leaves_leaves_with_all_keys(anna: Person, other: Installation) -> None:
    made = await has_key(anna)
    clients = [with_key(each, made["key"]) for each in (anna.installation, other)]
    assert {(await client.get("/files")).status_code for client in clients} == {200}
    leaving = await anna.client.request("DELETE", "/auth/me", json={"password": PASSWORD})
    assert leaving.status_code == 202
    assert {(await client.get("/files")).status_code for client in clients} == {410}
    assert (await anna.client.get("/api-keys")).status_code == 410
    assert (await asks_for_key(anna)).status_code == 410
    pool = anna.installation.parts.read_models
    await anna.installation.parts.key_uses.forget(UUID(made["id"]))
    await anna.installation.parts.key_uses.note(UUID(made["id"]), UUID(anna.user_id))
    assert (
        await pool.fetchval("select count(*) from api_key_uses where user_id = $1", UUID(anna.user_id)) == 0
    )


async def test_a_key_goes_on_after_its_process_has_forgotten_everything(
    anna: Person, settings: Settings
) -> None:
    made = await has_key(anna)
    with tempfile.TemporaryDirectory() as spool:
        async with installed(settings, Path(spool)) as fresh:
            assert (await with_key(fresh, made["key"]).get("/files")).status_code == 200


async def test_the_owner_alone_can_read_what_a_key_is_called(anna: Person) -> None:
    await has_key(anna)
    stored = await anna.installation.parts.store.read_stream(API_KEYS.stream_id(UUID(anna.user_id)))
    assert [event.name for event in stored if hasattr(event, "name")] == [NAME]
