"""What all commands that ask a running system have in common."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import click

from cli.client import Client
from cli.login import DEFAULT_URL, find_access, opened
from cli.running import INTERRUPTED_CODE, complaining, run

Command = TypeVar("Command", bound=Callable[..., Any])

_URL: Final = click.option(
    "--url", envvar="STENOLOG_URL", help=f"The API.  [default: that of the login, or {DEFAULT_URL}]"
)
_EMAIL: Final = click.option("--email", envvar="STENOLOG_EMAIL", help="Your account; or STENOLOG_EMAIL.")


def api_options(command: Command) -> Command:
    """Where the API is, and who asks."""
    return _URL(_EMAIL(command))


def ask(url: str | None, email: str | None, question: Callable[[Client], Awaitable[None]]) -> None:
    """Puts a question as who is logged in; a refusal is one line, Ctrl-C ends with 130."""

    async def put() -> None:
        async with opened(access) as client:
            await question(client)

    with complaining():
        access = find_access(url, email)
    run(put(), interrupted_code=INTERRUPTED_CODE)
