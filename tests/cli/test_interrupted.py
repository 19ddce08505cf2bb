"""Ctrl-C while a recording is transcribed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from infrastructure.processes import ROOT
from tests.cli.scripted_api import TRANSCRIPTION, ScriptedApi, transcription


def test_ctrl_c_ends_with_130_and_says_how_to_get_what_goes_on(tmp_path: Path) -> None:
    recording = tmp_path / "talk.ogg"
    recording.write_bytes(b"sound" * 1000)
    api = ScriptedApi()
    api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}"] = [transcription("processing", 40)]
    with api.serving(), _transcribing(recording, api.url) as running:
        assert running.stderr is not None
        assert any("40 % processing" in line for line in running.stderr)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told.strip() == (
        f"talk.ogg goes on as {TRANSCRIPTION}: `stenolog export {TRANSCRIPTION} --wait` gets it, "
        f"`stenolog cancel {TRANSCRIPTION}` stops it"
    )
    assert list(tmp_path.iterdir()) == [recording]


def test_a_reader_that_has_gone_ends_it_without_a_traceback(tmp_path: Path) -> None:
    recording = tmp_path / "talk.ogg"
    recording.write_bytes(b"sound" * 1000)
    with ScriptedApi().serving() as api, _transcribing(recording, api.url, "--json") as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        told = running.stderr.read()
    assert running.returncode == 1
    assert "Traceback" not in told


def _transcribing(recording: Path, url: str, *options: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STENOLOG_")}
    command = ["transcribe", str(recording), "--url", url, "--output", str(recording.parent), *options]
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *command],
        env={**inherited, "PYTHONPATH": str(ROOT), "STENOLOG_TOKEN": "mine"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
