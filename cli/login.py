"""Who asks: the login that is kept in the user's own config folder, or what the environment and the person say."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from cli.api_urls import api_root
from cli.client import LOG_IN_AGAIN, Client, opened_client, register_unless_known, waited_out
from cli.running import INTERRUPTED_CODE, say
from domain.key_texts import MalformedKey, owner_of_key
from infrastructure.mendable import Mendable
from infrastructure.private_files import open_private, provide_private

DEFAULT_URL: Final = "http://127.0.0.1:8000"
API_KEY_VARIABLE: Final = "STENOLOG_API_KEY"
TOKEN_VARIABLE: Final = "STENOLOG_TOKEN"  # noqa: S105  # the name of one


class NotLoggedIn(Mendable):
    def __init__(self) -> None:
        super().__init__(
            "nobody is logged in: `stenolog login` in a terminal, once, or give STENOLOG_API_KEY, or STENOLOG_TOKEN, "
            "or STENOLOG_EMAIL and STENOLOG_PASSWORD"
        )


class LoginUnreadable(Mendable):
    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is no login that this version knows: `stenolog login` makes a new one")


class LoginNotKept(Mendable):
    def __init__(self, problem: OSError) -> None:
        super().__init__(f"the login in {login_file()} cannot be written or removed: {problem.strerror}")


class KeyMistyped(Mendable):
    def __init__(self) -> None:
        super().__init__(
            "that is no API key, or not all of one: copy it once more, from `steno_` to its end"
        )


class TokenMistyped(Mendable):
    def __init__(self) -> None:
        super().__init__(
            "STENOLOG_TOKEN is no token, which is one word of ASCII: copy it once more, or unset it"
        )


class Login(Struct, frozen=True, kw_only=True):
    """What is kept between two commands. `token` may be an API key, and then there is no `email`."""

    url: str
    email: str
    token: str


class Access(Struct, frozen=True, kw_only=True):
    """How one command gets in: with a token, with `renewal` for when that is over, or else with an e-mail and a password."""

    url: str
    token: str = ""
    renewal: str = LOG_IN_AGAIN
    email: str = ""
    password: str = ""
    register: bool = False


def login_file() -> Path:
    """As the XDG base directory specification has it."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return Path(config or Path.home() / ".config") / "stenolog" / "login.json"


def keep_login(login: Login) -> Path:
    """For its owner alone, whole or not at all. Raises LoginNotKept."""
    file = login_file()
    fresh = file.with_suffix(f".{os.getpid()}.new")
    try:
        provide_private(file.parent)
        with open_private(fresh, "wb") as content:
            content.write(msgspec.json.encode(login))
        fresh.replace(file)
    except OSError as problem:
        raise LoginNotKept(problem) from problem
    return file


def kept_login() -> Login | None:
    """Raises LoginUnreadable."""
    file = login_file()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Login)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as problem:
        raise LoginUnreadable(file) from problem


def forget_login() -> bool:
    """Whether there was one. Raises LoginNotKept."""
    try:
        login_file().unlink()
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise LoginNotKept(problem) from problem
    return True


def find_access(url: str | None, email: str | None, *, register: bool = False) -> Access:
    """What was said on the command line and in the environment comes before what is kept.

    A token that is kept goes nowhere but to where it came from. Raises NotLoggedIn where nobody can be asked, NoUrl,
    LoginUnreadable, KeyMistyped or TokenMistyped.
    """
    if key := key_given():
        return Access(url=url or kept_url(), token=key, renewal=_renewal_of(API_KEY_VARIABLE))
    if token := token_given():
        return Access(url=url or kept_url(), token=token, renewal=_renewal_of(TOKEN_VARIABLE))
    kept = None if register else kept_login()
    if kept and email in (None, kept.email) and (url is None or api_root(url) == api_root(kept.url)):
        return Access(url=kept.url, token=kept.token)
    return Access(
        url=url or (kept.url if kept else DEFAULT_URL),
        email=email or asked("Email"),
        password=password(again=register),
        register=register,
    )


def kept_url() -> str:
    """That of the login, if there is one. Raises LoginUnreadable."""
    kept = kept_login()
    return kept.url if kept else DEFAULT_URL


def url_of_last_login() -> str:
    """As `kept_url`, for the next login: one that cannot be read is replaced by it."""
    try:
        return kept_url()
    except LoginUnreadable:
        return DEFAULT_URL


def _renewal_of(variable: str) -> str:
    """A login is no help as long as the variable is there, which wins."""
    return f"give another in {variable}, or unset it and `stenolog login`"


def key_given() -> str:
    """The API key of the environment, or nothing. Raises KeyMistyped."""
    return key_of(text) if (text := os.environ.get(API_KEY_VARIABLE, "").strip()) else ""


def token_given() -> str:
    """The token of the environment, or nothing. Raises TokenMistyped."""
    text = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise TokenMistyped
    return text


def key_of(text: str) -> str:
    """Without what is around it: a file that it came from may end its lines with two signs. Raises KeyMistyped."""
    key = text.strip()
    try:
        owner_of_key(key)
    except MalformedKey:
        raise KeyMistyped from None
    return key


def password(*, again: bool = False) -> str:
    """Never an argument: everybody on the machine can read those. `again` is for a new one, which nobody may mistype."""
    return os.environ.get("STENOLOG_PASSWORD") or asked("Password", hidden=True, again=again)


def asked(what: str, *, hidden: bool = False, again: bool = False) -> str:
    """Ctrl-C ends the process as everywhere. Raises NotLoggedIn where nobody can be asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise NotLoggedIn
    try:
        return str(click.prompt(what, hide_input=hidden, confirmation_prompt=again, err=True))
    except click.Abort:
        say("")
        sys.exit(INTERRUPTED_CODE)


@asynccontextmanager
async def opened(access: Access, patience_seconds: float = 0.0) -> AsyncIterator[Client]:
    """A client that is logged in. Raises Refused or ApiUnreachable."""
    async with opened_client(access.url) as client:
        if access.token:
            client.use_token(access.token, access.renewal)
        else:
            await waited_out(lambda: _log_in(client, access), patience_seconds, tell=say)
        yield client


async def _log_in(client: Client, access: Access) -> None:
    if access.register:
        await register_unless_known(client, access.email, access.password)
    await client.log_in(access.email, access.password)
