"""Recordings that are no plain files, or have names that nobody would choose."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.client import opened_client
from cli.main import main
from cli.sending import Changed
from tests.cli.scripted_api import EXPORTED, ScriptedApi

UPLOAD = "POST /v1/files/upload"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi().serving() as api:
        yield api


def transcribe(api: ScriptedApi, output: Path, *arguments: str | Path) -> Result:
    environment = {"STENOLOG_TOKEN": "mine", "STENOLOG_URL": api.url, "XDG_CONFIG_HOME": "/nowhere"}
    return CliRunner().invoke(
        main, ["transcribe", "-o", str(output), *map(str, arguments)], env=environment
    )


def test_a_pipe_is_refused_at_once_and_not_waited_for(api: ScriptedApi, tmp_path: Path) -> None:
    pipe = tmp_path / "talk.mp3"
    os.mkfifo(pipe)
    result = transcribe(api, tmp_path, pipe)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "talk.mp3 is no regular file, and a pipe cannot be sent twice: write it to a file first"
    )
    assert api.asked == []


def test_a_recording_that_is_gone_when_its_turn_comes_does_not_stop_the_others(
    api: ScriptedApi, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.mp3", tmp_path / "b.mp3"
    first.write_bytes(b"sound")
    second.write_bytes(b"sound")

    def remove(request: str) -> None:
        if request == UPLOAD and second.exists() and b"a.mp3" in api.uploaded:
            second.unlink()

    api.on_request = remove
    result = transcribe(api, tmp_path, first, second)
    assert result.exit_code == 1
    assert "b.mp3 cannot be read: No such file or directory" in result.stderr.splitlines()
    assert (tmp_path / "a.txt").read_bytes() == EXPORTED


async def test_a_recording_that_grows_while_it_is_sent_is_not_sent_again_and_again(
    api: ScriptedApi, tmp_path: Path
) -> None:
    recording = tmp_path / "talk.mp3"
    recording.write_bytes(b"sound" * 100_000)

    def grow(_more: int) -> None:
        with recording.open("ab") as content:
            content.write(b"more")

    async with opened_client(api.url) as client:
        with pytest.raises(Changed, match=r"talk\.mp3 was changed while it was sent"):
            await client.upload(recording, grow)


def test_a_name_that_is_no_utf_8_is_sent_with_signs_in_its_place(api: ScriptedApi, tmp_path: Path) -> None:
    recording = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp3"))
    recording.write_bytes(b"sound")
    result = transcribe(api, tmp_path, "--json", recording)
    assert result.exit_code == 0, result.output
    assert 'filename="caf\ufffd.mp3"'.encode() in api.uploaded
    assert json.loads(result.stdout)["file"].endswith("caf\ufffd.mp3")


def test_signs_that_move_a_terminal_are_written_out(api: ScriptedApi, tmp_path: Path) -> None:
    recording = tmp_path / "a\x1b[2J\nb.mp3"
    recording.write_bytes(b"sound")
    result = transcribe(api, tmp_path, recording)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stderr
    assert "uploading a\\x1b[2J\\nb.mp3: 100 %" in result.stderr.splitlines()


def test_what_is_no_language_is_refused_before_anything_is_sent(api: ScriptedApi, tmp_path: Path) -> None:
    recording = tmp_path / "talk.mp3"
    recording.write_bytes(b"sound")
    result = transcribe(api, tmp_path, "--language", "klingon!", recording)
    assert result.exit_code == 2
    assert "language has to be a BCP 47 tag like en" in result.stderr
    assert api.asked == []


def test_words_that_are_no_utf_8_are_one_line(api: ScriptedApi) -> None:
    environment = {"STENOLOG_TOKEN": "mine", "STENOLOG_URL": api.url, "XDG_CONFIG_HOME": "/nowhere"}
    result = CliRunner().invoke(main, ["search", os.fsdecode(b"caf\xe9")], env=environment)
    assert (result.exit_code, result.stderr) == (
        1,
        "stenolog: what was given is no text in UTF-8: type it once more, or change the encoding\n",
    )


def test_a_text_that_cannot_be_written_is_said_how_to_get(api: ScriptedApi, tmp_path: Path) -> None:
    recording = tmp_path / "talk.mp3"
    recording.write_bytes(b"sound")

    def take_the_name(request: str) -> None:
        if request.endswith("/export"):
            (tmp_path / "talk.txt").write_text("somebody else's")

    api.on_request = take_the_name
    result = transcribe(api, tmp_path, recording)
    assert result.exit_code == 1
    assert "nothing is lost: `stenolog export 00000000-0000-0000-0000-000000000002 --wait`" in result.stderr
    assert (tmp_path / "talk.txt").read_text() == "somebody else's"
