"""`stenolog transcribe` as its user sees it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.cli.scripted_api import (
    EXPORTED,
    NO_ANSWER,
    TRANSCRIPTION,
    Answer,
    ScriptedApi,
    problem,
    transcription,
)

UPLOAD = "POST /v1/files/upload"
CREDENTIALS = {
    "STENOLOG_EMAIL": "anna@example.com",
    "STENOLOG_PASSWORD": "correct horse",
    "XDG_CONFIG_HOME": "/nowhere",
}


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
    return invoke(url, recording, "--output", str(recording.parent), *options)


def invoke(url: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["transcribe", "--url", url, *map(str, arguments)], env=CREDENTIALS)


def asked_for(api: ScriptedApi) -> dict[str, Any]:
    asked: dict[str, Any] = json.loads(api.bodies["POST /v1/transcriptions"])
    return asked


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
    assert result.stderr.splitlines()[-1] == "talk.ogg: 2 minutes are left, 5 are needed"
    assert "Traceback" not in result.output


def test_a_transcription_that_failed_says_why(api: ScriptedApi, recording: Path) -> None:
    failed = transcription("failed", 40, failure_reason="the media is unreadable")
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [failed]
    result = transcribe(api.url, recording)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "talk.ogg: failed: the media is unreadable"


def told(*states: Answer) -> Answer:
    """As a stream of them, with a comment and a window between."""
    between = b': still there\n\nevent: window\ndata: {"text":"so far"}\n\n'
    events = [b"event: transcription\ndata: " + json.dumps(body).encode() + b"\n\n" for _, body in states]
    return 200, b"retry: 2000\n\n" + between.join(events)


def test_an_api_that_tells_is_listened_to_and_not_asked(api: ScriptedApi, recording: Path) -> None:
    states = [transcription("queued", 0), transcription("processing", 40), transcription("completed", 100)]
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}/events"] = [told(*states)]
    assert transcribe(api.url, recording).exit_code == 0
    assert f"GET /v1/transcriptions/{TRANSCRIPTION}" not in api.asked
    assert recording.with_suffix(".txt").read_bytes() == EXPORTED


def test_a_stream_that_ends_too_soon_is_asked_about_and_listened_to_again(
    api: ScriptedApi, recording: Path
) -> None:
    listen = f"GET /v1/transcriptions/{TRANSCRIPTION}/events"
    ask = f"GET /v1/transcriptions/{TRANSCRIPTION}"
    api.answers[listen] = [
        told(transcription("processing", 40)),
        problem(503, "too many listen"),
        (200, b": still there\n\n" * 100),
        told(transcription("completed", 100)),
    ]
    api.answers[ask] = [transcription("processing", 50)]
    assert transcribe(api.url, recording).exit_code == 0
    assert (api.asked.count(listen), api.asked.count(ask)) == (4, 3)


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
    assert (
        "exists: remove it, choose another place with --output, or replace it with --force" in result.stderr
    )
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


def test_something_that_answers_unlike_the_api_is_named(api: ScriptedApi, recording: Path) -> None:
    api.answers["POST /v1/auth/login"] = [(200, b"<html>a router's login page</html>")]
    result = transcribe(api.url, recording)
    assert result.exit_code == 1
    assert "does not answer like Stenolog" in result.stderr


def test_with_force_a_result_that_exists_is_replaced(api: ScriptedApi, recording: Path) -> None:
    recording.with_suffix(".txt").write_text("of yesterday")
    assert transcribe(api.url, recording, "--force").exit_code == 0
    assert recording.with_suffix(".txt").read_bytes() == EXPORTED


def test_what_is_wished_for_is_asked_for(api: ScriptedApi, recording: Path) -> None:
    wishes = (
        "--language",
        "de",
        "--translate",
        "--prompt",
        "At sea.",
        "--vocabulary",
        "Ahab",
        "--vocabulary",
        "Queequeg",
    )
    assert transcribe(api.url, recording, *wishes).exit_code == 0
    wished = {
        "language": "de",
        "task": "translate",
        "prompt": "At sea.",
        "vocabulary": ["Ahab", "Queequeg"],
    }
    assert asked_for(api).items() >= wished.items()


def test_recordings_of_one_name_keep_their_endings(api: ScriptedApi, recording: Path) -> None:
    other = recording.with_suffix(".wav")
    other.write_bytes(b"other")
    assert invoke(api.url, recording, other, "--output", recording.parent).exit_code == 0
    assert {each.name for each in recording.parent.iterdir()} == {
        "talk.ogg",
        "talk.wav",
        "talk.ogg.txt",
        "talk.wav.txt",
    }


def test_two_recordings_that_would_be_one_result_are_refused_before_anything_is_uploaded(
    api: ScriptedApi, recording: Path
) -> None:
    (recording.parent / "other").mkdir()
    other = recording.parent / "other" / recording.name
    other.write_bytes(b"other")
    result = invoke(api.url, recording, other, "--output", recording.parent)
    assert result.exit_code == 1
    assert "more than one recording would be written to" in result.stderr
    assert api.asked == []


def test_it_goes_on_after_a_recording_that_fails(api: ScriptedApi, recording: Path) -> None:
    other = recording.with_name("other.ogg")
    other.write_bytes(b"other")
    api.answers["POST /v1/files/upload"].insert(0, problem(400, "no recording"))
    result = invoke(api.url, recording, other, "--output", recording.parent)
    assert result.exit_code == 1
    assert "talk.ogg: no recording" in result.stderr.splitlines()
    assert result.stderr.splitlines()[-1].startswith("stenolog: 1 of 2 recordings have no transcript")
    assert other.with_suffix(".txt").read_bytes() == EXPORTED


def test_programs_get_a_line_of_json_for_each_recording(api: ScriptedApi, recording: Path) -> None:
    other = recording.with_name("other.ogg")
    other.write_bytes(b"other")
    api.answers["POST /v1/files/upload"].insert(0, problem(400, "no recording"))
    result = invoke(api.url, recording, other, "--output", recording.parent, "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"file": str(recording), "error": "no recording"},
        {
            "file": str(other),
            "transcription_id": str(TRANSCRIPTION),
            "output": str(other.with_suffix(".txt")),
        },
    ]


def test_a_dash_is_standard_output_and_nothing_else_is_on_it(api: ScriptedApi, recording: Path) -> None:
    result = invoke(api.url, recording, "--output", "-")
    assert (result.exit_code, result.stdout_bytes) == (0, EXPORTED)


def test_several_recordings_at_once_are_all_written(api: ScriptedApi, recording: Path) -> None:
    others = [recording.with_name(f"{number}.ogg") for number in range(5)]
    for other in others:
        other.write_bytes(b"other")
    result = invoke(api.url, *others, "--output", recording.parent, "--jobs", "3")
    assert result.exit_code == 0, result.output
    assert all(other.with_suffix(".txt").read_bytes() == EXPORTED for other in others)


def test_an_api_that_is_busy_while_it_is_followed_is_waited_for(api: ScriptedApi, recording: Path) -> None:
    follow = f"GET /v1/transcriptions/{TRANSCRIPTION}"
    api.answers[follow].insert(1, problem(503, "starting"))
    api.headers[follow] = {"Retry-After": "0"}
    assert transcribe(api.url, recording).exit_code == 0


def test_a_recording_that_was_requested_before_is_followed(api: ScriptedApi, recording: Path) -> None:
    before = problem(409, "already", code="transcription_exists", transcription_id=str(TRANSCRIPTION))
    api.answers["POST /v1/transcriptions"] = [before]
    assert transcribe(api.url, recording).exit_code == 0
    assert recording.with_suffix(".txt").read_bytes() == EXPORTED


def test_an_upload_whose_answer_was_lost_is_sent_again_with_the_same_key(
    api: ScriptedApi, recording: Path
) -> None:
    uploaded = api.answers[UPLOAD]
    in_flight = problem(409, "being carried out", code="idempotency_key_in_flight")
    api.answers[UPLOAD] = [NO_ANSWER, in_flight, *uploaded]
    result = transcribe(api.url, recording)
    assert result.exit_code == 0, result.output
    keys = [key for request, key in zip(api.asked, api.keys, strict=True) if request == UPLOAD]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]


def test_each_recording_has_a_key_of_its_own(api: ScriptedApi, recording: Path) -> None:
    other = recording.with_name("other.ogg")
    other.write_bytes(b"other sound")
    assert transcribe(api.url, recording).exit_code == 0
    assert transcribe(api.url, other).exit_code == 0
    keys = [key for request, key in zip(api.asked, api.keys, strict=True) if request == UPLOAD]
    assert len(set(keys)) == 2
