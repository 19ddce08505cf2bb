"""Idempotency-Key: sent again, a request is carried out once and answered as before, whatever happened in between."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from api.idempotency import KEY_CHARACTERS_MAX, Once
from api.rejections import KeyInFlight
from infrastructure.postgres.idempotency import IdempotencyKeys, Key
from infrastructure.settings import Settings
from tests.api.rig import PASSWORD, Installation, Person, in_one_task, installed, sound
from tests.api.test_erasure import erase, leaves
from tests.projections.running import until


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other(settings: Settings) -> AsyncIterator[Installation]:
    """A second process of the same API."""
    with tempfile.TemporaryDirectory() as spool:
        async with in_one_task(installed(settings, Path(spool))) as running:
            yield running


async def requests(person: Person, file_id: str, headers: dict[str, str]) -> httpx.Response:
    return await person.client.post("/transcriptions", json={"file_id": file_id}, headers=headers)


def said(answer: httpx.Response) -> tuple[int, bytes, Any, Any]:
    headers = answer.headers
    return answer.status_code, answer.content, headers.get("Location"), headers["Consistency-Token"]


async def rows(installation: Installation, where: str, *arguments: object) -> int:
    query = f"select count(*) from idempotency_keys where {where}"
    return int(await installation.parts.read_models.fetchval(query, *arguments))


async def let_die(installation: Installation, user_id: str) -> None:
    """As if whoever had the person's requests in hand had been killed a while ago, before it kept an answer."""
    await installation.parts.read_models.execute(
        "update idempotency_keys set status = null, headers = null, body = null, alive_until = now() - interval '1 s' "
        "where owner_id = $1",
        UUID(user_id),
    )


async def test_a_request_that_is_sent_again_is_answered_as_before(
    anna: Person, key: dict[str, str]
) -> None:
    file_id = await anna.has_file()
    first, again = await requests(anna, file_id, key), await requests(anna, file_id, key)
    assert first.status_code == 202
    assert said(again) == said(first)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    events = await anna.installation.events_of(anna.user_id)
    assert events.count("TranscriptionRequested") == 1


async def test_an_upload_that_is_sent_again_makes_one_file(anna: Person, key: dict[str, str]) -> None:
    first = await anna.uploads(headers=key)
    again = await anna.uploads(headers=key)
    assert (first.status_code, said(again)) == (201, said(first))
    assert len((await anna.client.get("/files")).json()) == 1
    assert len(anna.installation.objects_of(anna.user_id)) == 1


def form(boundary: str, content: bytes = sound()) -> dict[str, Any]:
    """As a client of its own sends it."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="talk.wav"\r\n\r\n'
    whole = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return {"content": whole, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


async def uploads_form(person: Person, sent: dict[str, Any], key: dict[str, str]) -> httpx.Response:
    headers = sent["headers"] | key
    return await person.client.post("/files/upload", content=sent["content"], headers=headers)


async def test_an_upload_is_the_same_however_long_its_boundary_is_this_time(
    anna: Person, key: dict[str, str]
) -> None:
    """Firefox and Apache's HttpClient make them of different lengths."""
    first = await uploads_form(anna, form("x" * 38), key)
    again = await uploads_form(anna, form("y" * 31), key)
    assert (first.status_code, said(again)) == (201, said(first))
    longer = await uploads_form(anna, form("x" * 38, sound() + b"\0"), key)
    assert (longer.status_code, longer.json()["code"]) == (422, "idempotency_key_reused")


async def test_registering_again_with_the_same_key_is_no_second_try(
    installation: Installation, key: dict[str, str]
) -> None:
    credentials = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    client = installation.client()
    answers = [
        await client.post("/auth/register", json=credentials, headers=headers) for headers in (key, key, {})
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 409]


async def test_without_a_key_a_request_is_carried_out_each_time(anna: Person) -> None:
    assert await anna.has_file() != await anna.has_file()


@pytest.mark.parametrize("quoted", ['"{}"', " {} "])
async def test_a_key_is_the_same_with_quotation_marks(anna: Person, quoted: str) -> None:
    key = str(uuid4())
    first = await anna.uploads(headers={"Idempotency-Key": key})
    again = await anna.uploads(headers={"Idempotency-Key": quoted.format(key)})
    assert again.json() == first.json()


async def test_a_key_is_its_owners_alone(anna: Person, bert: Person, key: dict[str, str]) -> None:
    answers = [await person.uploads(headers=key) for person in (anna, bert)]
    assert answers[0].json()["file_id"] != answers[1].json()["file_id"]


async def test_a_key_is_refused_with_another_request(anna: Person, key: dict[str, str]) -> None:
    first, second = await anna.has_file(), await anna.has_file()
    assert (await requests(anna, first, key)).status_code == 202
    for answer in (
        await requests(anna, second, key),
        await anna.uploads(headers=key),
        await anna.client.post("/transcriptions?x=1", json={"file_id": first}, headers=key),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert (await requests(anna, first, key)).status_code == 202


@pytest.mark.parametrize(
    "key", ["", " ", '""', "x" * (KEY_CHARACTERS_MAX + 1), "two words", "caf\u00e9", '"a"b"', '"\\"']
)
async def test_what_is_no_key_is_refused(anna: Person, key: str) -> None:
    file_id = await anna.has_file()
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id}, headers=headers)  # type: ignore[arg-type]  # bytes of a header
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


async def test_two_keys_are_none(anna: Person) -> None:
    """Neither is more meant than the other, and who sends again might be taken at the other."""
    file_id = await anna.has_file()
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = await anna.client.post("/transcriptions", json={"file_id": file_id}, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


async def test_a_refusal_changed_nothing_and_its_key_is_free(anna: Person, key: dict[str, str]) -> None:
    assert (await requests(anna, str(uuid4()), key)).status_code == 404
    broken = await anna.client.post("/transcriptions", content=b"{", headers=key)
    assert broken.status_code == 400
    assert (await requests(anna, await anna.has_file(), key)).status_code == 202


async def test_it_takes_a_token_before_anything(installation: Installation, key: dict[str, str]) -> None:
    answer = await installation.client().post("/transcriptions", json={}, headers=key)
    assert answer.status_code == 401
    assert await rows(installation, "owner_id = $1 and status is null", UUID(int=0)) == 0


async def test_a_body_that_is_too_long_is_refused_as_without_a_key(
    anna: Person, key: dict[str, str]
) -> None:
    answer = await anna.client.post("/transcriptions", content=b" " * (1 << 17), headers=key)
    assert answer.status_code == 413


async def test_while_it_is_carried_out_a_request_is_not_taken_again(
    anna: Person, other: Installation, key: dict[str, str]
) -> None:
    """Also by another process."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="talk.wav"\r\n\r\n' + sound()
    whole += b"\r\n--x--\r\n"

    async def slowly() -> AsyncIterator[bytes]:
        yield whole[:1_000]
        begun.set()
        await go_on.wait()
        yield whole[1_000:]

    headers = {
        **key,
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(len(whole)),
    }
    uploading = asyncio.create_task(anna.client.post("/files/upload", content=slowly(), headers=headers))
    await begun.wait()
    elsewhere = other.client()
    elsewhere.headers["Authorization"] = anna.client.headers["Authorization"]
    for client in (anna.client, elsewhere):
        answer = await client.post("/files/upload", content=whole, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_flight")
        assert answer.headers["Retry-After"] == "1"
    go_on.set()
    first = await uploading
    again = await elsewhere.post("/files/upload", content=whole, headers=headers)
    assert (first.status_code, said(again)) == (201, said(first))


async def test_of_a_hundred_at_once_one_is_carried_out(anna: Person, key: dict[str, str]) -> None:
    file_id = await anna.has_file()
    answers = await asyncio.gather(*(requests(anna, file_id, key) for _ in range(100)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {202, 409}
    carried_out = [each for each in answers if each.status_code == 202]
    assert len({said(each) for each in carried_out}) == 1
    refused = {each.json()["code"] for each in answers if each.status_code == 409}
    assert refused <= {"idempotency_key_in_flight"}
    events = await anna.installation.events_of(anna.user_id)
    assert events.count("TranscriptionRequested") == 1


async def test_an_upload_whose_process_died_before_it_answered_makes_one_file(
    anna: Person, key: dict[str, str]
) -> None:
    first = await anna.uploads(headers=key)
    for _ in range(2):
        await let_die(anna.installation, anna.user_id)
        again = await anna.uploads(headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
    assert len((await anna.client.get("/files")).json()) == 1


async def test_an_upload_whose_process_died_before_it_did_anything_is_carried_out(
    anna: Person, key: dict[str, str]
) -> None:
    first = await anna.uploads(headers=key)
    await anna.client.delete(f"/files/{first.json()['file_id']}")
    await let_die(anna.installation, anna.user_id)
    again = await anna.uploads(headers=key)
    assert (again.status_code, len((await anna.client.get("/files")).json())) == (201, 1)
    assert again.json()["file_id"] != first.json()["file_id"]


async def test_a_request_whose_process_died_is_decided_by_the_command(
    anna: Person, key: dict[str, str]
) -> None:
    file_id = await anna.has_file()
    first = await requests(anna, file_id, key)
    await let_die(anna.installation, anna.user_id)
    again = await requests(anna, file_id, key)
    assert (again.status_code, again.json()["code"]) == (409, "transcription_exists")
    assert again.json()["transcription_id"] == first.json()["transcription_id"]
    assert (await anna.installation.events_of(anna.user_id)).count("TranscriptionRequested") == 1


async def test_what_a_process_that_was_thought_dead_answers_is_not_kept(
    anna: Person, key: dict[str, str]
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="talk.wav"\r\n\r\n' + sound()
    whole += b"\r\n--x--\r\n"

    async def slowly() -> AsyncIterator[bytes]:
        yield whole[:1_000]
        begun.set()
        await go_on.wait()
        yield whole[1_000:]

    headers = {**key, "Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(len(whole))}
    frozen = asyncio.create_task(anna.client.post("/files/upload", content=slowly(), headers=headers))
    await begun.wait()
    await let_die(anna.installation, anna.user_id)
    second = await anna.client.post("/files/upload", content=whole, headers=headers)
    go_on.set()
    assert (second.status_code, (await frozen).status_code) == (201, 201)
    third = await anna.client.post("/files/upload", content=whole, headers=headers)
    assert said(third) == said(second)


async def test_after_a_day_a_key_is_new_and_its_answer_is_gone(
    installation: Installation, anna: Person, key: dict[str, str]
) -> None:
    first = await anna.uploads(headers=key)
    pool = installation.parts.read_models
    await pool.execute("update idempotency_keys set created_at = created_at - interval '25 hours'")
    again = await anna.uploads(headers=key)
    assert again.json()["file_id"] != first.json()["file_id"]
    await pool.execute("update idempotency_keys set created_at = created_at - interval '25 hours'")
    keys = IdempotencyKeys(pool)
    while await keys.expire():
        pass
    assert await rows(installation, "owner_id = $1", UUID(anna.user_id)) == 0


async def test_one_who_leaves_is_not_answered_as_before_and_nothing_is_kept_of_them(
    anna: Person, key: dict[str, str]
) -> None:
    await anna.uploads(filename="a talk about Anna.wav", headers=key)
    assert await rows(anna.installation, "owner_id = $1", UUID(anna.user_id)) == 1
    await leaves(anna)
    assert (await anna.uploads(filename="a talk about Anna.wav", headers=key)).status_code == 410
    await erase(anna.installation, anna.user_id)
    assert await rows(anna.installation, "owner_id = $1", UUID(anna.user_id)) == 0


async def test_who_registers_with_the_same_key_after_an_erasure_is_registered(
    installation: Installation, key: dict[str, str]
) -> None:
    """Some clients make keys of addresses. What others were answered is answered again."""
    credentials = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    others = {"Idempotency-Key": str(uuid4())}
    client = installation.client()
    assert (await client.post("/auth/register", json=credentials, headers=key)).status_code == 201
    other = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    assert (await client.post("/auth/register", json=other, headers=others)).status_code == 201
    logged_in = (await client.post("/auth/login", json=credentials)).json()
    client.headers["Authorization"] = f"Bearer {logged_in['token']}"
    await client.request("DELETE", "/auth/me", json={"password": PASSWORD})
    await erase(installation, logged_in["user"]["id"])
    again = await installation.client().post("/auth/register", json=credentials, headers=key)
    assert (again.status_code, "Idempotency-Replayed" in again.headers) == (201, False)
    assert (await installation.client().post("/auth/login", json=credentials)).status_code == 200
    kept = await installation.client().post("/auth/register", json=other, headers=others)
    assert (kept.status_code, kept.headers["Idempotency-Replayed"]) == (201, "true")


async def test_neither_key_nor_request_can_be_read_in_the_database(anna: Person) -> None:
    secret = f"key-{uuid4().hex}"
    await anna.client.post(
        "/transcriptions",
        json={"file_id": await anna.has_file(), "prompt": "Wombletoft"},
        headers={"Idempotency-Key": secret},
    )
    query = "select k::text from idempotency_keys k where owner_id = $1"
    row = await anna.installation.parts.read_models.fetchval(query, UUID(anna.user_id))
    for word in (secret, secret.encode().hex(), "Wombletoft", b"Wombletoft".hex()):
        assert word not in row


class SlowApp:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.sent: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def answers(self, once: Once) -> None:
        async def receive() -> Any:
            raise AssertionError("nobody reads a body")

        async def send(message: Any) -> None:
            self.sent.append(message)

        await once.answer(self, {"state": {}}, receive, send)


async def test_whoever_takes_long_keeps_its_key(anna: Person) -> None:
    keys = IdempotencyKeys(anna.installation.parts.read_models, alive_seconds=0.3)
    once = Once(keys, Key(UUID(anna.user_id), b"key", b"request"))
    app, began = SlowApp(), time.monotonic()
    answering = asyncio.create_task(app.answers(once))

    async def is_held_for_long() -> bool:
        return time.monotonic() > began + 4 * keys.alive_seconds

    await until(is_held_for_long)
    with pytest.raises(KeyInFlight):
        await app.answers(once)
    app.go_on.set()
    await answering
    await app.answers(once)
    assert [each["body"] for each in app.sent if each["type"] == "http.response.body"] == [b"done", b"done"]
