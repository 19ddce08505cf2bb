"""What all commands that ask a running system have in common."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import click

from cli.client import Client, Refused
from cli.login import DEFAULT_URL, find_access, opened
from cli.running import INTERRUPTED_CODE, complaining, run
from infrastructure.mendable import Mendable

Command = TypeVar("Command", bound=Callable[..., Any])

_URL: Final = click.option(
    "--url",
    envvar="STENOLOG_URL",
    help=f"The API; or STENOLOG_URL.  [default: that of the login, or {DEFAULT_URL}]",
)
_EMAIL: Final = click.option("--email", envvar="STENOLOG_EMAIL", help="Your account; or STENOLOG_EMAIL.")

_ADVICE: Final[Mapping[str, str]] = {
    "api_key_not_found": "`stenolog keys list`",
    "transcription_not_found": "`stenolog list`",
    "transcription_not_completed": "`stenolog export --wait` waits",
}
"""By the code of the problem."""


def api_options(command: Command) -> Command:
    """Where the API is, and who asks."""
    return _URL(_EMAIL(command))


class RefusedWithAdvice(Mendable):
    """What the API says speaks of its routes; this adds the command for the same."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(f"{refusal} ({_ADVICE[refusal.code]})")


def ask(url: str | None, email: str | None, question: Callable[[Client], Awaitable[None]]) -> None:
    """Puts a question as who is logged in; a refusal is one line, Ctrl-C ends with 130."""

    async def put() -> None:
        try:
            async with opened(access) as client:
                await question(client)
        except Refused as refusal:
            if refusal.code not in _ADVICE:
                raise
            raise RefusedWithAdvice(refusal) from refusal

    with complaining():
        access = find_access(url, email)
    run(put(), interrupted_code=INTERRUPTED_CODE)
