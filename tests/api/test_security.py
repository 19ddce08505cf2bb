"""What docs/security.md promises and no other test attacks."""

import logging
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from api.app import create_app
from api.openapi_document import document
from domain.key_texts import SECRET_BYTES, key_text
from infrastructure.settings import Settings
from tests.api.asks import ASKS, answer_to, filled, routes
from tests.api.conftest import SECRET
from tests.api.rig import PASSWORD, Installation, Person

UNDOCUMENTED = (
    "GET /health/",  # as below /v1, for probes of container platforms
    "GET /schema",  # the documents themselves
    "GET /problems",  # pages for people
    "GET /evidence/",  # of C2SP's tlog-tiles, which describes them
    "GET /metrics",  # of Prometheus
)
OURS = {
    "user_id": str(uuid4()),
    "quota_minutes": 9_999,
    "minutes": 0,
    "status": "completed",
    "key_sha256": "0" * 64,
    "transcription_id": str(uuid4()),
    "created_at": "2020-01-01T00:00:00Z",
}
"""What no client has a say in."""


def test_every_route_is_in_the_document_or_on_the_list_of_those_that_are_not() -> None:
    paths = msgspec.json.decode(document())["paths"]
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    there = {str(route) for route in routes()}
    assert documented <= there
    assert [name for name in sorted(there - documented) if not name.startswith(UNDOCUMENTED)] == []


@pytest.mark.parametrize("member", OURS)
@pytest.mark.parametrize("name", [name for name, ask in ASKS.items() if ask.json is not None])
async def test_no_body_takes_what_is_ours_to_decide(anna: Person, name: str, member: str) -> None:
    before = await anna.installation.events_of(anna.user_id)
    ids = {"file_id": await anna.has_file(), "transcription_id": str(uuid4())}
    ids |= {"new_file_id": ids["file_id"], "queued_id": ids["transcription_id"]}
    method, _, path = name.partition(" ")
    fitting = {
        key: filled(str(value), ids) for key, value in (ASKS[name].json or {}).items() if key != "scopes"
    }
    json = fitting | {"scopes": ["read"]} if "api-keys" in name else fitting
    url = filled(path.removeprefix("/v1"), ids)
    answer = await anna.client.request(method, url, json=json | {member: OURS[member]})
    assert (answer.status_code, answer.json()["field"]) == (400, member)
    assert await anna.installation.events_of(anna.user_id) == [*before, "FileUploaded"]


async def test_no_environment_makes_a_mode_in_which_errors_are_shown_or_debugged(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name in ("LITESTAR_DEBUG", "LITESTAR_PDB"):
        monkeypatch.setenv(name, "1")
    app = create_app(settings)
    assert (app.debug, app.pdb_on_exception) == (False, False)


async def test_what_is_secret_is_in_no_answer(anna: Person) -> None:
    made = (await anna.client.post("/api-keys", json={"name": "Bazarr", "scopes": ["read"]})).json()
    transcription_id = await anna.has_transcript()
    file_id = (await anna.client.get("/files")).json()[0]["file_id"]
    ids = {"transcription_id": transcription_id, "file_id": file_id}
    secrets = [
        sha256(made["key"].encode()).hexdigest(),
        made["key"],
        f"media/{anna.user_id}",
        f"transcripts/{anna.user_id}",
        "$2b$",
        SECRET,
    ]
    asked = 0
    for route in routes():
        if str(route) not in ASKS or route.method != "GET" or ASKS[str(route)].is_endless:
            continue
        if route.path.endswith("/export") and route.path.startswith("/v1/auth"):
            continue  # All that was recorded about oneself is just that, digests and places too.
        answer = await answer_to(anna.installation.app, route, ids, anna.client.headers)
        assert answer.status_code < 300, str(route)
        assert [secret for secret in secrets if secret in answer.text] == [], str(route)
        asked += 1
    assert asked >= 10


async def test_no_secret_of_a_client_reaches_a_log_line(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    anna = await Person.arrives(installation)
    made = (await anna.client.post("/api-keys", json={"name": "Bazarr at home", "scopes": ["read"]})).json()
    wrong, forged = "a wrong password, however long", key_text(b"\2" * SECRET_BYTES, uuid4())
    credentials: dict[str, Any] = {"email": anna.email, "password": wrong}
    await anna.client.post("/auth/login", json=credentials)
    await anna.client.post("/auth/login", json=credentials | {"colour": 1})
    await anna.client.post("/auth/login", content=b'{"password": "' + wrong.encode())
    for shown in (made["key"], forged, forged[:-1], f"{made['key']}x"):
        await anna.client.get("/files", headers={"Authorization": f"Bearer {shown}"})
    await anna.client.post("/api-keys", json={"name": "Bazarr at home", "scopes": ["fly"]})
    said = "\n".join(record.getMessage() for record in caplog.records) + caplog.text
    token = anna.client.headers["Authorization"].removeprefix("Bearer ")
    secrets = [made["key"], forged, forged[:-1], token, PASSWORD, wrong, anna.email, "Bazarr at home"]
    assert [secret for secret in secrets if secret in said] == []
