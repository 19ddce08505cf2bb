"""What goes along with every request: ids, traces, headers, and a calm answer when something breaks."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from commands.turns import TooManyAtOnce
from domain.log import StreamHead, StreamTail
from domain.media_file import MEDIA_FILE
from domain.ports import EventStoreUnavailable
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.person_keys import PostgresPersonKeys
from infrastructure.postgres.store import PostgresEventStore
from schemas.partitions import partition_of
from tests.api.rig import Installation, Person
from tests.builders import uploaded
from tests.commands.stories import happened
from tests.keys import keys_on

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def provenance_of_last(installation: Installation, user_id: str) -> dict[str, object]:
    row = await installation.parts.read_models.fetchrow(
        "select actor, correlation_id, request_id, traceparent from events where owner_id = $1 "
        "order by seq desc limit 1",
        UUID(user_id),
    )
    assert row is not None
    return dict(row)


async def test_an_event_remembers_who_asked_and_in_which_request(
    installation: Installation, anna: Person
) -> None:
    request_id = uuid4()
    headers = {"X-Request-Id": str(request_id), "traceparent": TRACE}
    answer = await anna.uploads(headers=headers)
    assert answer.headers["X-Request-Id"] == str(request_id)
    assert await provenance_of_last(installation, anna.user_id) == {
        "actor": f"user:{anna.user_id}",
        "correlation_id": request_id,
        "request_id": str(request_id),
        "traceparent": TRACE,
    }


@pytest.mark.parametrize("sent", ["", "abc", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", TRACE + "\u00e9"])
async def test_ids_and_traces_that_are_none_are_replaced(
    installation: Installation, anna: Person, sent: str
) -> None:
    headers = {"X-Request-Id": sent.encode(), "traceparent": sent.encode()}
    answer = await anna.uploads(headers=headers)
    assert UUID(answer.headers["X-Request-Id"]).version == 4
    assert (await provenance_of_last(installation, anna.user_id))["traceparent"] is None


@pytest.mark.parametrize("path", ["/auth/me", "/nothing", "/health/live"])
async def test_every_answer_is_kept_private_and_taken_literally(
    installation: Installation, path: str
) -> None:
    headers = (await installation.client().get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Access-Control-Allow-Origin" not in headers


class Broken(InMemoryEventStore):
    def __init__(self, problem: Exception) -> None:
        super().__init__(partition_count=4)
        self._problem = problem

    async def read_streams(
        self,
        heads: Mapping[str, StreamHead],  # noqa: ARG002  # it reads none
        events_max: int,  # noqa: ARG002
        owner_id: UUID | None = None,  # noqa: ARG002
    ) -> Mapping[str, StreamTail]:
        raise self._problem


async def request_on_broken_log(
    installation: Installation, person: Person, problem: Exception
) -> httpx.Response:
    whole = installation.parts
    installation.app.state.parts = replace(whole, store=Broken(problem))
    try:
        return await person.client.post("/transcriptions", json={"file_id": str(uuid4())})
    finally:
        installation.app.state.parts = whole


async def test_an_unexpected_error_says_nothing_of_the_inside(
    installation: Installation,
    anna: Person,
    internal_errors: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", "api")
    for _ in range(2):
        answer = await request_on_broken_log(installation, anna, RuntimeError("the inside"))
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "inside" not in answer.text
        assert f"request {answer.json()['request_id']} failed" in internal_errors[-1]
    [fingerprint] = {said.partition(" failed: ")[2] for said in internal_errors}
    assert re.fullmatch(
        r"builtins\.RuntimeError [0-9a-f]{12} at tests\.api\.test_requests:\d+", fingerprint
    )
    assert "inside" not in caplog.text
    assert "commands.request_transcription:" in caplog.text


async def test_unexpected_errors_are_counted(
    installation: Installation, anna: Person, internal_errors: list[str]
) -> None:
    before = await failures(installation)
    await request_on_broken_log(installation, anna, RuntimeError("the inside"))
    assert await failures(installation) == before + 1


async def failures(installation: Installation) -> float:
    text = (await installation.client().get("http://stenolog/metrics")).text
    found = re.search(r'^stenolog_internal_errors_total{error="RuntimeError"} (.+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_an_answer_that_breaks_off_is_no_traceback(
    installation: Installation, internal_errors: list[str]
) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        raise RuntimeError(f"the inside of {message['type']}")

    scope = scope_of("GET", "/v1/health/live")
    await installation.app(scope, receive, send)  # type: ignore[arg-type]  # a dict is what servers pass
    assert internal_errors
    assert not [said for said in internal_errors if "inside" in said]


def scope_of(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("stenolog", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "state": {},
    }


async def test_an_object_store_out_of_reach_asks_to_come_back(
    installation: Installation, anna: Person
) -> None:
    away = installation.objects.rename(installation.objects.with_name("away"))
    try:
        answer = await anna.uploads()
    finally:
        away.rename(installation.objects)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["error"].startswith("The object store does not answer")
    assert answer.headers["Retry-After"] == "2"
    assert (await anna.uploads()).status_code == 201


@pytest.mark.parametrize("problem", [DatabaseUnavailable("no answer"), EventStoreUnavailable("ending")])
async def test_a_database_out_of_reach_asks_to_come_back(
    installation: Installation, anna: Person, problem: Exception
) -> None:
    answer = await request_on_broken_log(installation, anna, problem)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "2"


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_error_of_ours(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    arriving = [{"type": "http.disconnect"}, {"type": "http.request", "body": b'{"em', "more_body": True}]
    answered: list[Any] = []

    async def receive() -> Any:
        return arriving.pop()

    async def send(message: Any) -> None:
        answered.append(message)

    headers = (b"content-type", b"application/json"), (b"content-length", b"50")
    scope = scope_of("POST", "/v1/auth/login", *headers)
    await installation.app(scope, receive, send)  # type: ignore[arg-type]  # a dict is what servers pass
    assert answered[0]["status"] == 400
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_a_crowd_that_finds_no_turn_is_asked_to_come_back(
    installation: Installation, anna: Person
) -> None:
    answer = await request_on_broken_log(installation, anna, TooManyAtOnce())
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_at_once")
    assert answer.json()["error"].startswith(
        "Too much is being done at once for this user: nothing was changed"
    )
    assert answer.headers["Retry-After"] == "2"


async def test_who_lies_in_a_detached_partition_is_told_so_until_it_is_attached_again(
    installation: Installation, anna: Person
) -> None:
    pool = installation.parts.read_models
    partition = partition_of(UUID(anna.user_id), installation.parts.settings.partitions)
    uploaded = await anna.has_file()
    await pool.execute(f"alter table events detach partition events_{partition}")
    for answer in (
        await anna.client.post("/transcriptions", json={"file_id": uploaded}),
        await anna.client.post("/transcriptions", json={"file_id": str(uuid4())}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "partition_detached")
        assert "attach the partition" in answer.json()["error"]
        assert answer.headers["Retry-After"] == "60"
    await pool.execute(
        f"alter table events attach partition events_{partition} for values in ({partition})"
    )
    assert (await anna.client.post("/transcriptions", json={"file_id": uploaded})).status_code == 202


async def test_whose_events_cannot_be_read_is_told_so_until_the_key_is_there_again(
    installation: Installation, anna: Person
) -> None:
    pool, owner_id = installation.parts.read_models, UUID(anna.user_id)
    keys = keys_on(pool)
    async with PostgresEventStore(pool, installation.parts.settings.partitions, keys) as elsewhere:
        uploads = [uploaded(user_id=owner_id, file_id=uuid4()) for _ in range(2)]
        for each in uploads:
            await happened(elsewhere, MEDIA_FILE.stream_id(each.file_id), each, owner_id=owner_id)
    [key] = await pool.fetch("delete from person_keys where owner_id = $1 returning *", owner_id)
    forget_keys(installation)
    answer = await anna.client.post("/transcriptions", json={"file_id": str(uploads[0].file_id)})
    assert (answer.status_code, answer.json()["code"]) == (503, "event_unreadable")
    assert answer.headers["Retry-After"] == "60"
    await pool.execute("insert into person_keys values ($1, $2, $3)", *list(key)[:3])
    answer = await anna.client.post("/transcriptions", json={"file_id": str(uploads[0].file_id)})
    assert answer.status_code == 202, answer.text

    await keys.erase(owner_id)
    forget_keys(installation)
    body = {"file_id": str(uploads[1].file_id), "prompt": "Minutes"}
    answer = await anna.client.post("/transcriptions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (410, "person_erased")


def forget_keys(installation: Installation) -> None:
    """As after a minute."""
    credentials = installation.parts.credentials
    assert isinstance(credentials, PostgresCredentials)
    assert isinstance(credentials._person_keys, PostgresPersonKeys)
    credentials._person_keys.forget_all()
