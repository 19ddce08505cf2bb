"""Child processes on a leash: they end when told, when killed, and when their parent is killed."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from embedded.accounts import Account
from infrastructure.private_files import open_private, provide_private

_TAIL_BYTES: Final = 8192
_LINES_MAX: Final = 5
_WORDS_CHARACTERS_MAX: Final = 400
_OF_A_TRACE: Final = re.compile(r"\s|Traceback |at |\.\.\. ")
"""How the lines of Python's and Java's stack traces begin."""
_BLAME: Final = re.compile(r"\b(FATAL|PANIC)\b|Caused by:")
"""After it servers only say that they end."""
_LEASH: Final = str(Path(__file__).with_name("leash.py"))


class Command(Struct, frozen=True, kw_only=True):
    """A program, and how it wants to be ended. `arguments[0]` is the path of its executable."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    """Takes its standard output and errors, appended."""
    account: Account | None = None
    """Whom it runs as, if not as us."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    """How long it may take to end cleanly before it is killed."""
    death_signal: signal.Signals = signal.SIGKILL
    """What it is sent when this process dies without having stopped it (on Linux)."""
    niceness: int = 0
    """How much it lets others go first, up to 19."""


class Child:
    """A running command, leader of a process group of its own so that a Ctrl-C in the terminal reaches only us."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process) -> None:
        self._command = command
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def wait(self) -> int:
        """The exit code, negative for a signal."""
        return await self._process.wait()

    def kill(self) -> None:
        """The sudden end of this one process, as in an accident."""
        if not self.ended:
            self._process.kill()

    async def stop(self) -> None:
        """Asks it to end, waits `stop_seconds`, then kills it and whatever it left in its group."""
        if not self.ended:
            self._process.send_signal(self._command.stop_signal)
        try:
            async with asyncio.timeout(self._command.stop_seconds):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


async def start(command: Command) -> Child:
    """Starts the command on its leash; returns at once, ready or not."""
    provide_private(command.log.parent)
    with open_private(command.log, "ab") as output:
        process = await asyncio.create_subprocess_exec(
            *_leash(command),
            *command.arguments,
            env=dict(command.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Child(command, process)


def _leash(command: Command) -> Sequence[str]:
    account = command.account
    identity = (account.uid, account.gid) if account else (-1, -1)
    passing = "pass" if account and account.passes_closed_folders else "-"
    numbers = (os.getpid(), int(command.death_signal), command.niceness, *identity)
    return [sys.executable, "-I", "-S", _LEASH, *map(str, numbers), passing]


async def run(command: Command, deadline_seconds: float) -> int:
    """Runs the command to its end and returns its exit code. Raises TimeoutError, with the command ended."""
    child = await start(command)
    try:
        async with asyncio.timeout(deadline_seconds):
            return await child.wait()
    finally:
        await child.stop()


def last_words(log: Path) -> str:
    """The line of a log that says best why a program ended: no stack trace, whoever wants that looks it up."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as content:
        content.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = content.read().decode(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip() and not _OF_A_TRACE.match(line)]
        blamed = [line for line in told[-_LINES_MAX:] if _BLAME.search(line)]
        return (blamed or told or [""])[-1][:_WORDS_CHARACTERS_MAX]
    return ""
