"""What is said while nothing seems to happen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.client import opened_client, waited_out
from cli.main import main
from cli.transcribing import wait_until_ended
from tests.cli.scripted_api import TRANSCRIPTION, ScriptedApi, problem, transcription

QUOTA = "GET /v1/user/quota"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        yield api


async def test_an_api_that_is_busy_for_long_is_told_of_once(api: ScriptedApi) -> None:
    api.answers[QUOTA] = [problem(503, "starting"), problem(503, "starting"), *api.answers[QUOTA]]
    api.headers[QUOTA] = {"Retry-After": "0"}
    told: list[str] = []
    async with opened_client(api.url) as client:
        await waited_out(client.quota, 900, tell=told.append, tell_after_seconds=0)
    assert told == ["starting; asking again for up to 15 minutes"]


async def test_one_that_is_busy_for_a_moment_is_not(api: ScriptedApi) -> None:
    api.answers[QUOTA] = [problem(503, "starting"), *api.answers[QUOTA]]
    api.headers[QUOTA] = {"Retry-After": "0"}
    told: list[str] = []
    async with opened_client(api.url) as client:
        await waited_out(client.quota, 900, tell=told.append)
    assert told == []


async def test_a_long_queue_is_no_failure(api: ScriptedApi, capsys: pytest.CaptureFixture[str]) -> None:
    queued = [transcription("queued", 0)] * 2
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [*queued, transcription("completed", 100)]
    async with opened_client(api.url) as client:
        ended = await wait_until_ended(client, TRANSCRIPTION, "talk.ogg", lambda *_: None, 0)
    assert ended.status == "completed"
    assert capsys.readouterr().err == "talk.ogg: still queued; Ctrl-C leaves it to itself\n"


def test_a_login_with_a_password_waits_for_an_api_that_is_starting(
    api: ScriptedApi, tmp_path: Path
) -> None:
    recording = tmp_path / "talk.ogg"
    recording.write_bytes(b"sound")
    api.answers["POST /v1/auth/login"].insert(0, problem(503, "starting"))
    api.headers["POST /v1/auth/login"] = {"Retry-After": "0"}
    secret = {"STENOLOG_EMAIL": "anna@example.com", "STENOLOG_PASSWORD": "correct horse"}
    result = CliRunner().invoke(
        main,
        ["transcribe", "-o", str(tmp_path), str(recording)],
        env={"STENOLOG_URL": api.url, "XDG_CONFIG_HOME": "/nowhere", **secret},
    )
    assert result.exit_code == 0, result.output
