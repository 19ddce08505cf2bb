"""What became of one's recordings, as the command line says it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.cli.scripted_api import EXPORTED, TRANSCRIPTION, ScriptedApi, problem, transcription


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        yield api


def stenolog(api: ScriptedApi, *arguments: str) -> Result:
    environment = {"STENOLOG_TOKEN": "mine", "STENOLOG_URL": api.url, "XDG_CONFIG_HOME": "/nowhere"}
    return CliRunner().invoke(main, arguments, env=environment)


def file(number: int, **more: object) -> dict[str, Any]:
    return {
        "file_id": str(UUID(int=number)),
        "filename": f"{number}.ogg",
        "upload_date": "2026-01-01T00:00:00Z",
        "duration_seconds": 61.2,
        "size_bytes": 1000,
        "transcription_id": str(TRANSCRIPTION),
        "transcription_status": "completed",
    } | more


def test_recordings_are_listed_over_all_pages(api: ScriptedApi) -> None:
    api.answers["GET /v1/files"] = [(200, [file(1), file(2)]), (200, [file(3)])]
    api.headers["GET /v1/files"] = {"Link": '</v1/files?limit=2&cursor=x>; rel="next"'}
    listed = stenolog(api, "list", "-n", "3").stdout.splitlines()
    assert [line.rsplit("  ", 1)[1] for line in listed] == ["1.ogg", "2.ogg", "3.ogg"]
    assert listed[0].startswith(f"{TRANSCRIPTION}  completed")
    assert "   1:01  " in listed[0]


def test_no_more_pages_are_asked_for_than_are_shown(api: ScriptedApi) -> None:
    api.answers["GET /v1/files"] = [(200, [file(1), file(2)])]
    api.headers["GET /v1/files"] = {"Link": '</v1/files?limit=2&cursor=x>; rel="next"'}
    assert len(stenolog(api, "list", "-n", "1").stdout.splitlines()) == 1
    assert api.asked == ["GET /v1/files"]


def test_programs_get_the_list_as_json(api: ScriptedApi) -> None:
    api.answers["GET /v1/files"] = [(200, [file(1, transcription_id=None, transcription_status="none")])]
    (line,) = stenolog(api, "list", "--json").stdout.splitlines()
    assert json.loads(line)["transcription_id"] is None


def found(number: int, **more: object) -> dict[str, Any]:
    parts = [{"text": "about the ", "match": False}, {"text": "Budget", "match": True}]
    return {
        "transcription_id": str(UUID(int=number)),
        "file_id": str(UUID(int=number)),
        "filename": f"{number}.ogg",
        "passages": 2,
        "snippets": [
            {"start_ms": 3_723_400, "parts": parts},
            {"start_ms": 3_800_000, "parts": parts[1:]},
        ],
    } | more


def test_a_search_says_where_and_when_something_is_said(api: ScriptedApi) -> None:
    api.answers["GET /v1/search"] = [(200, [found(1)]), (200, [found(2, filename=None)])]
    api.headers["GET /v1/search"] = {"Link": '</v1/search?q=budget&limit=1&cursor=x>; rel="next"'}
    assert stenolog(api, "search", "-n", "2", "budget", "next year").stdout.splitlines() == [
        f"{UUID(int=1)}  1.ogg",
        "  1:02:03  about the Budget",
        "  1:03:20  Budget",
        f"{UUID(int=2)}  (recording deleted)",
        "  1:02:03  about the Budget",
        "  1:03:20  Budget",
    ]


def test_programs_get_what_was_found_as_json(api: ScriptedApi) -> None:
    api.answers["GET /v1/search"] = [(200, [found(1)])]
    (line,) = stenolog(api, "search", "--json", "budget").stdout.splitlines()
    assert json.loads(line)["snippets"][0]["start_ms"] == 3_723_400


def test_a_search_that_is_refused_is_said_in_one_line(api: ScriptedApi) -> None:
    api.answers["GET /v1/search"] = [problem(400, "q has no word to look for")]
    result = stenolog(api, "search", "--", "-")
    assert (result.exit_code, result.stderr) == (1, "stenolog: q has no word to look for\n")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (transcription("processing", 40), "processing 40 %"),
        (transcription("queued", 0), "queued"),
        (transcription("failed", 40, failure_reason="no sound"), "failed: no sound"),
    ],
)
def test_the_status_is_a_line(api: ScriptedApi, answer: tuple[int, dict[str, Any]], told: str) -> None:
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [answer]
    assert stenolog(api, "status", str(TRANSCRIPTION)).stdout == f"{told}\n"


def test_a_transcription_is_cancelled(api: ScriptedApi) -> None:
    assert stenolog(api, "cancel", str(TRANSCRIPTION)).stderr == "cancelled\n"


def test_somebody_elses_transcription_is_refused_in_one_line(api: ScriptedApi) -> None:
    api.answers[f"POST /v1/transcriptions/{TRANSCRIPTION}/cancel"] = [problem(403, "not yours")]
    result = stenolog(api, "cancel", str(TRANSCRIPTION))
    assert (result.exit_code, result.stderr) == (1, "stenolog: not yours\n")


def test_what_is_no_id_is_refused_before_anything_is_asked(api: ScriptedApi) -> None:
    result = stenolog(api, "status", "talk.ogg")
    assert result.exit_code == 2
    assert "'talk.ogg' is not a valid UUID" in result.stderr
    assert api.asked == []


def test_a_text_is_printed_as_it_came(api: ScriptedApi) -> None:
    assert stenolog(api, "export", str(TRANSCRIPTION), "--format", "srt").stdout_bytes == EXPORTED


def test_a_text_is_waited_for(api: ScriptedApi) -> None:
    result = stenolog(api, "export", str(TRANSCRIPTION), "--wait")
    assert result.stdout_bytes == EXPORTED
    assert f"transcribing {TRANSCRIPTION}: 40 % processing" in result.stderr


def test_a_text_goes_into_a_file_that_is_not_there_yet(api: ScriptedApi, tmp_path: Path) -> None:
    target = tmp_path / "text.txt"
    arguments = ("export", str(TRANSCRIPTION), "--output", str(target))
    assert stenolog(api, *arguments).exit_code == 0
    refused = stenolog(api, *arguments)
    assert refused.exit_code == 1
    assert f"{target} exists" in refused.stderr
    assert stenolog(api, *arguments, "--force").exit_code == 0
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [EXPORTED]


def test_a_place_that_is_not_there_is_said_in_one_line(api: ScriptedApi, tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "text.txt"
    result = stenolog(api, "export", str(TRANSCRIPTION), "--output", str(target))
    assert (result.exit_code, result.stderr) == (
        1,
        f"stenolog: {target} cannot be written: No such file or directory\n",
    )


@pytest.mark.parametrize(
    ("arguments", "request_", "told"),
    [
        (("list",), "GET /v1/files", "no recordings yet\n"),
        (("search", "budget"), "GET /v1/search", "nothing found\n"),
        (("keys", "list"), "GET /v1/api-keys", "no keys yet\n"),
    ],
)
def test_nothing_is_said_to_be_nothing(
    api: ScriptedApi, arguments: tuple[str, ...], request_: str, told: str
) -> None:
    api.answers[request_] = [(200, [])]
    result = stenolog(api, *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", told)


def test_a_refusal_that_speaks_of_routes_names_the_command_as_well(api: ScriptedApi) -> None:
    refused = problem(404, "No transcription: GET lists yours", code="transcription_not_found")
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [refused]
    result = stenolog(api, "status", str(TRANSCRIPTION))
    assert result.stderr == "stenolog: No transcription: GET lists yours (`stenolog list`)\n"


def test_names_and_texts_do_nothing_to_a_terminal(api: ScriptedApi) -> None:
    api.answers["GET /v1/files"] = [(200, [file(1, filename="\x1b[2J.ogg")])]
    api.answers["GET /v1/search"] = [(200, [found(1, filename="\x1b[2J.ogg")])]
    assert "\x1b" not in stenolog(api, "list").stdout
    assert "\x1b" not in stenolog(api, "search", "budget").stdout
