"""What somebody sees who sits at a terminal."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil

from infrastructure.processes import ROOT
from tests.cli.scripted_api import EXPORTED, TRANSCRIPTION, ScriptedApi

DEADLINE_SECONDS = 60.0


class Terminal:
    """A command whose input and standard error are a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.shown = ""
        self._looked_at = 0

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def await_text(self, text: str) -> None:
        """After the one that was awaited before."""
        ends_at = time.monotonic() + DEADLINE_SECONDS
        while (place := self.shown.find(text, self._looked_at)) < 0:
            assert self._read(ends_at), self.shown
        self._looked_at = place + len(text)

    def await_sleep(self) -> None:
        """Until it waits for what is typed: a signal that comes just before that would wait for it, too."""
        ends_at = time.monotonic() + DEADLINE_SECONDS
        while psutil.Process(self.process.pid).status() != psutil.STATUS_SLEEPING:
            assert time.monotonic() < ends_at, self.shown

    def end(self) -> tuple[int, bytes]:
        """Its exit code and standard output; then `shown` is all."""
        ends_at = time.monotonic() + DEADLINE_SECONDS
        while self._read(ends_at):
            """On to the end."""
        output, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, output or b""

    def _read(self, ends_at: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, ends_at - time.monotonic()))
        content = b""
        if ready:
            with suppress(OSError):  # Linux says so when the other side is closed.
                content = os.read(self._descriptor, 65_536)
        self.shown += content.decode(errors="replace")
        return bool(content)


def terminal(*arguments: str, **variables: str) -> AbstractContextManager[Terminal]:
    return _started(arguments, variables, prints_there=False)


def terminal_that_shows_all(*arguments: str, **variables: str) -> AbstractContextManager[Terminal]:
    """Standard output as well."""
    return _started(arguments, variables, prints_there=True)


@contextmanager
def _started(
    arguments: Sequence[str], variables: Mapping[str, str], *, prints_there: bool
) -> Iterator[Terminal]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STENOLOG_")}
    own = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "XDG_CONFIG_HOME": "/nowhere"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        env={**inherited, **own, **variables},
        stdin=theirs,
        stdout=theirs if prints_there else subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


def test_brackets_in_a_name_are_shown_as_they_are(tmp_path: Path) -> None:
    recording = tmp_path / "talk [official video] [@click=(].mp3"
    recording.write_bytes(b"sound")
    with ScriptedApi().serving() as api:
        variables = {"STENOLOG_URL": api.url, "STENOLOG_TOKEN": "mine"}
        with terminal("transcribe", "-o", str(tmp_path), str(recording), **variables) as shown:
            code, _ = shown.end()
    assert code == 0, shown.shown
    assert "transcribing talk [official video] [@click=(].mp3" in shown.shown


def test_ctrl_c_at_a_prompt_ends_with_130() -> None:
    with terminal("login", "--email", "anna@example.com") as shown:
        shown.await_text("Password")
        shown.await_sleep()
        shown.process.send_signal(signal.SIGINT)
        code, _ = shown.end()
    assert code == 130
    assert "Traceback" not in shown.shown


def test_a_new_password_is_asked_for_twice(tmp_path: Path) -> None:
    with ScriptedApi().serving() as api:
        arguments = ["login", "--register", "--url", api.url, "--email", "anna@example.com"]
        with terminal(*arguments, XDG_CONFIG_HOME=str(tmp_path)) as shown:
            shown.await_text("Password: ")
            shown.type("correct horse\n")
            shown.await_text("Repeat for confirmation: ")
            shown.type("correct house\n")
            shown.await_text("do not match")
            assert api.asked == []
            for prompt in ("Password: ", "Repeat for confirmation: "):
                shown.await_text(prompt)
                shown.type("correct horse\n")
            code, _ = shown.end()
    assert code == 0, shown.shown


def test_the_text_of_a_recording_is_not_mixed_up_with_the_bars(tmp_path: Path) -> None:
    recording = tmp_path / "talk.mp3"
    recording.write_bytes(b"sound")
    with ScriptedApi().serving() as api:
        variables = {"STENOLOG_URL": api.url, "STENOLOG_TOKEN": "mine"}
        with terminal("transcribe", "-o", "-", str(recording), **variables) as shown:
            assert shown.end() == (0, EXPORTED)


def test_a_prompt_does_not_follow_a_text_on_its_last_line() -> None:
    with ScriptedApi().serving() as api:
        api.answers[f"GET /v1/transcriptions/{TRANSCRIPTION}/export"] = [(200, b"Hello.")]
        variables = {"STENOLOG_URL": api.url, "STENOLOG_TOKEN": "mine"}
        with terminal("export", str(TRANSCRIPTION), **variables) as piped:
            assert piped.end() == (0, b"Hello.")
        with terminal_that_shows_all("export", str(TRANSCRIPTION), **variables) as shown:
            shown.end()
    assert shown.shown == "Hello.\r\n"
