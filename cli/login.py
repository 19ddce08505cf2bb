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

from cli.client import Client, opened_client, register_unless_known
from domain.key_texts import MalformedKey, owner_of_key
from infrastructure.mendable import Mendable
from infrastructure.private_files import open_private, provide_private

DEFAULT_URL: Final = "http://127.0.0.1:8000"


class NotLoggedIn(Mendable):
    def __init__(self) -> None:
        super().__init__(
            "nobody is logged in: `stenolog login` once, or give STENOLOG_API_KEY, or STENOLOG_TOKEN, "
            "or STENOLOG_EMAIL and STENOLOG_PASSWORD"
        )


class LoginUnreadable(Mendable):
    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is no login that this version knows: `stenolog login` makes a new one")


class KeyMistyped(Mendable):
    def __init__(self) -> None:
        super().__init__(
            "that is no API key, or not all of one: copy it once more, from `steno_` to its end"
        )


class Login(Struct, frozen=True, kw_only=True):
    """What is kept between two commands. `token` may be an API key, and then there is no `email`."""

    url: str
    email: str
    token: str


class Access(Struct, frozen=True, kw_only=True):
    """How one command gets in: with a token, or else with an e-mail and a password."""

    url: str
    token: str = ""
    email: str = ""
    password: str = ""
    register: bool = False


def login_file() -> Path:
    """As the XDG base directory specification has it."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return Path(config or Path.home() / ".config") / "stenolog" / "login.json"


def keep_login(login: Login) -> Path:
    """For its owner alone, whole or not at all."""
    file = login_file()
    provide_private(file.parent)
    fresh = file.with_suffix(f".{os.getpid()}.new")
    with open_private(fresh, "wb") as content:
        content.write(msgspec.json.encode(login))
    fresh.replace(file)
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
    """Whether there was one."""
    try:
        login_file().unlink()
    except FileNotFoundError:
        return False
    return True


def find_access(url: str | None, email: str | None, *, register: bool = False) -> Access:
    """What was said on the command line and in the environment comes before what is kept.

    A token that is kept goes nowhere but to where it came from. Raises NotLoggedIn where nobody can be asked, or KeyMistyped.
    """
    if token := key_given() or os.environ.get("STENOLOG_TOKEN"):
        return Access(url=url or DEFAULT_URL, token=token)
    kept = None if register else kept_login()
    if kept and url in (None, kept.url) and email in (None, kept.email):
        return Access(url=kept.url, token=kept.token)
    return Access(
        url=url or (kept.url if kept else DEFAULT_URL),
        email=email or asked("Email"),
        password=password(),
        register=register,
    )


def key_given() -> str:
    """The API key of the environment, or nothing. Raises KeyMistyped."""
    return key_of(text) if (text := os.environ.get("STENOLOG_API_KEY")) else ""


def key_of(text: str) -> str:
    """Raises KeyMistyped, which takes nobody to be asked."""
    try:
        owner_of_key(text)
    except MalformedKey:
        raise KeyMistyped from None
    return text


def password() -> str:
    """Never an argument: everybody on the machine can read those."""
    return os.environ.get("STENOLOG_PASSWORD") or asked("Password", hidden=True)


def asked(what: str, *, hidden: bool = False) -> str:
    """Raises NotLoggedIn where nobody can be asked."""
    if not sys.stdin.isatty():
        raise NotLoggedIn
    return str(click.prompt(what, hide_input=hidden, err=True))


@asynccontextmanager
async def opened(access: Access) -> AsyncIterator[Client]:
    """A client that is logged in. Raises Refused or ApiUnreachable."""
    async with opened_client(access.url) as client:
        if access.token:
            client.use_token(access.token)
        else:
            if access.register:
                await register_unless_known(client, access.email, access.password)
            await client.log_in(access.email, access.password)
        yield client
