"""A hub with one model on it, and the command as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infrastructure.processes import ROOT
from tests.embedded.hub.hub_server import Hub, running_hub

REPO = "team/whisper-odd"
HEAD = b"\x06\0\0\0\x0c\0WhisperSpec\0\x03\0\0\0"
WEIGHTS = HEAD + bytes(range(256)) * (25 << 12)
"""25 MiB; the client writes them in pieces of ten."""
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"a\nb\n",
    "README.md": b"MIT",
    "model.bin": WEIGHTS,
    "pytorch_model.bin": b"not for us",
    "../escape.json": b"{}",
}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


@pytest.fixture
def model(hub: Hub) -> str:
    """The address of the model that is on the hub."""
    return f"{REPO}@{hub.add(REPO, FILES)}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STENOLOG_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def start(hub: Hub, cache: Path) -> Iterator[Start]:
    """Starts `stenolog model …`; what still runs in the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def started(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STENOLOG_", "HF_", "HUGGING"))
        }
        own = {
            "STENOLOG_CACHE": str(cache),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(cache / "hf"),
            "HF_HUB_DOWNLOAD_TIMEOUT": "60",  # a hub that a test holds is not taken for one that went silent
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "model", *arguments],
            env={**inherited, "PYTHONPATH": str(ROOT), **own, **variables},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield started
    for process in running:
        process.kill()
        process.communicate(timeout=20)


@pytest.fixture
def run(start: Start) -> Callable[..., tuple[int | None, str, str]]:
    """Its exit code, its output and what it said."""

    def ran(*arguments: str, **variables: str) -> tuple[int | None, str, str]:
        process = start(*arguments, **variables)
        output, said = process.communicate(timeout=60)
        return process.returncode, output, said

    return ran
