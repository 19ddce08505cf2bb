"""`stenolog transcribe` as its user sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from embedded.ports import free_port
from tests.cli.scripted_api import (
    EXPORTED,
    TRANSCRIPTION,
    ScriptedApi,
    problem,
    transcription,
)

CREDENTIALS = {"STENOLOG_EMAIL": "anna@example.com", "STENOLOG_PASSWORD": "correct horse"}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        yield api


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "talk.ogg"
    file.write_bytes(b"sound" * 1000)
    return file


def transcribe(url: str, recording: Path, *options: str) -> Result:
    arguments = ["transcribe", str(recording), "--url", url, "--output", str(recording.parent), *options]
    return CliRunner().invoke(main, arguments, env=CREDENTIALS)


def test_the_result_is_written_beside_its_name_with_the_ending_of_the_format(
    api: ScriptedApi, recording: Path
) -> None:
    result = transcribe(api.url, recording, "--format", "srt")
    assert result.exit_code == 0, result.output
    assert recording.with_suffix(".srt").read_bytes() == EXPORTED
    assert recording.read_bytes() in api.uploaded


def test_how_far_it_is_is_shown_and_results_stay_off_the_terminal(
    api: ScriptedApi, recording: Path
) -> None:
    result = transcribe(api.url, recording)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert "uploading talk.ogg: 100 %" in lines
    assert "transcribing talk.ogg: 40 % processing" in lines
    assert lines[-1] == f"wrote {recording.with_suffix('.txt')}"


def test_a_refusal_is_one_line_in_the_words_of_the_api(api: ScriptedApi, recording: Path) -> None:
    api.answers["POST /v1/transcriptions"] = [problem(402, "2 minutes are left, 5 are needed")]
    result = transcribe(api.url, recording)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "stenolog: 2 minutes are left, 5 are needed"
    assert "Traceback" not in result.output


def test_a_transcription_that_failed_says_why(api: ScriptedApi, recording: Path) -> None:
    failed = transcription("failed", 40, failure_reason="the media is unreadable")
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [failed]
    result = transcribe(api.url, recording)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "stenolog: talk.ogg: failed: the media is unreadable"


def test_what_is_missing_of_a_damaged_recording_is_said(api: ScriptedApi, recording: Path) -> None:
    missing = {"code": "media_damaged", "from_seconds": 45.0, "to_seconds": 90.25}
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [
        transcription("completed", 100, warnings=[missing])
    ]
    result = transcribe(api.url, recording)
    assert result.exit_code == 0
    assert "talk.ogg: damaged from 45.0 s to 90.2 s: what was said there is missing" in result.stderr
    assert recording.with_suffix(".txt").read_bytes() == EXPORTED


def test_a_language_that_nobody_said_is_said_to_be_assumed(api: ScriptedApi, recording: Path) -> None:
    assumed = {"code": "language_assumed", "from_seconds": 0.0, "to_seconds": 90.25}
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [
        transcription("completed", 100, warnings=[assumed])
    ]
    result = transcribe(api.url, recording)
    assert "talk.ogg: nobody said its language" in result.stderr
    assert "damaged" not in result.stderr


def test_a_result_that_exists_is_not_overwritten_and_nothing_is_uploaded(
    api: ScriptedApi, recording: Path
) -> None:
    recording.with_suffix(".txt").write_text("edited by hand")
    result = transcribe(api.url, recording)
    assert result.exit_code == 1
    assert "exists: remove it, or choose another folder with --output" in result.stderr
    assert api.asked == []
    assert recording.with_suffix(".txt").read_text() == "edited by hand"


def test_registering_an_account_that_is_there_logs_in(api: ScriptedApi, recording: Path) -> None:
    api.answers["POST /v1/auth/register"] = [problem(409, "taken")]
    assert transcribe(api.url, recording, "--register").exit_code == 0


def test_a_registration_that_is_refused_ends_it(api: ScriptedApi, recording: Path) -> None:
    api.answers["POST /v1/auth/register"] = [problem(400, "the password is too short")]
    result = transcribe(api.url, recording, "--register")
    assert (result.exit_code, result.stderr) == (1, "stenolog: the password is too short\n")
    assert api.asked == ["POST /v1/auth/register"]


def test_neither_password_nor_token_is_shown(api: ScriptedApi, recording: Path) -> None:
    result = transcribe(api.url, recording)
    assert "secret-token" not in result.output
    assert "correct horse" not in result.output


def test_an_api_that_is_not_there_is_named(recording: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = transcribe(url, recording)
    assert (result.exit_code, result.stderr) == (1, f"stenolog: no answer from {url}/v1/: ConnectError\n")


def test_something_that_answers_unlike_the_api_is_named(api: ScriptedApi, recording: Path) -> None:
    api.answers["POST /v1/auth/login"] = [(200, b"<html>a router's login page</html>")]
    result = transcribe(api.url, recording)
    assert result.exit_code == 1
    assert "does not answer like Stenolog" in result.stderr
