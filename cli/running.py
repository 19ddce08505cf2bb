"""Runs a command's coroutine: signals end it cleanly, and what went wrong is one line, not a traceback."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Final, NoReturn

import click

from infrastructure.mendable import Mendable
from infrastructure.process import SETTINGS_EXIT_CODE, leaves
from infrastructure.settings import InvalidSetting

INTERRUPTED_CODE: Final = 130
"""What a shell expects of a command that Ctrl-C ended before it had done its work."""


def say(line: str) -> None:
    """For the person at the keyboard; standard output is for results."""
    click.echo(line, err=True)


def print_result(content: bytes) -> None:
    """As it came; but a terminal, where a prompt follows, gets the end of the last line."""
    is_open = sys.stdout.isatty() and not content.endswith(b"\n")
    click.echo(content, nl=is_open)


def printable(text: str) -> str:
    """Signs that would move or colour what a terminal shows are written out."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def run(command: Coroutine[None, None, None], *, interrupted_code: int = 0) -> None:
    """Runs to the end, or until Ctrl-C or SIGTERM; for what serves, both are a fine way to end."""
    with complaining():
        try:
            asyncio.run(_until_told(command))
        except asyncio.CancelledError:
            sys.exit(interrupted_code)


def run_to_end(command: Coroutine[None, None, None]) -> None:
    """Of what was only begun nobody may think that it is all, or that all is well."""
    run(command, interrupted_code=INTERRUPTED_CODE)


@contextlib.contextmanager
def complaining() -> Iterator[None]:
    """Ends the process with one line for what a person has to set right."""
    try:
        yield
    except* InvalidSetting as problems:
        _give_up(problems, SETTINGS_EXIT_CODE)
    except* Mendable as problems:
        _give_up(problems, 1)


async def _until_told(command: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(command)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    await task


def _give_up(problems: BaseExceptionGroup[Exception], code: int) -> NoReturn:
    for told in dict.fromkeys(map(str, leaves(problems))):
        say(f"stenolog: {told}")
    sys.exit(code)
