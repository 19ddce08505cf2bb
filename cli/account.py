"""`stenolog login`, `logout` and `quota`."""

import os

import click
import msgspec

from cli.api_urls import api_root
from cli.asking import api_options, ask
from cli.client import Client, Refused, opened_client, register_unless_known
from cli.events import json_option
from cli.login import (
    API_KEY_VARIABLE,
    DEFAULT_URL,
    TOKEN_VARIABLE,
    Login,
    asked,
    forget_login,
    keep_login,
    key_given,
    key_of,
    password,
    url_of_last_login,
)
from cli.running import INTERRUPTED_CODE, complaining, run, say


@click.command()
@click.option(
    "--url",
    envvar="STENOLOG_URL",
    help=f"The API; or STENOLOG_URL.  [default: that of the last login, or {DEFAULT_URL}]",
)
@click.option("--email", envvar="STENOLOG_EMAIL", help="Your account; or STENOLOG_EMAIL, or asked for.")
@click.option("--register", is_flag=True, help="Make the account first, unless there is one.")
@click.option(
    "--api-key", "with_key", is_flag=True, help="With an API key instead: STENOLOG_API_KEY, or asked for."
)
def login(url: str | None, email: str | None, register: bool, with_key: bool) -> None:
    """Log in once, so that no other command asks for it.

    The token is kept in your own config folder, where nobody else can read it, and goes to this API alone. The password
    is taken from STENOLOG_PASSWORD, or asked for, and kept nowhere.
    """
    with complaining():
        root = api_root(url or url_of_last_login())
    if with_key:
        with complaining():
            key = key_given() or key_of(asked("API key", hidden=True))
        run(_login_with_key(root, key), interrupted_code=INTERRUPTED_CODE)
        return
    with complaining():
        email = email or asked("Email")
        secret = password(again=register)
    run(_login(root, email, secret, register=register), interrupted_code=INTERRUPTED_CODE)


async def _login(url: str, email: str, secret: str, *, register: bool) -> None:
    async with opened_client(url) as client:
        if register:
            await register_unless_known(client, email, secret)
        token = await client.log_in(email, secret)
    file = keep_login(Login(url=url, email=email, token=token))
    say(f"logged in at {url}; the token is in {file}")
    _tell_what_wins(API_KEY_VARIABLE, TOKEN_VARIABLE)


async def _login_with_key(url: str, key: str) -> None:
    async with opened_client(url) as client:
        client.use_token(key, "`stenolog keys create`")
        try:
            await client.quota()
        except Refused as refusal:
            if refusal.code != "insufficient_scope":  # One that may write alone is a good key, too.
                raise
    file = keep_login(Login(url=url, email="", token=key))
    say(f"{url} accepts the key; it is in {file}")
    _tell_what_wins(TOKEN_VARIABLE)


def _tell_what_wins(*variables: str) -> None:
    for variable in variables:
        if os.environ.get(variable):
            say(f"but {variable} is set, and wins: unset it")


@click.command()
def logout() -> None:
    """Forget the login that `stenolog login` keeps.

    The token itself goes on being valid until it runs out.
    """
    with complaining():
        say("logged out" if forget_login() else "nobody was logged in")


@click.command()
@json_option
@api_options
def quota(url: str | None, email: str | None, as_json: bool) -> None:
    """Print how many minutes are left, reserved for what runs, and used."""

    async def show(client: Client) -> None:
        found = await client.quota()
        if as_json:
            click.echo(msgspec.json.encode(found).decode())
            return
        click.echo(f"{found.quota_minutes_remaining} minutes left")
        click.echo(f"{found.quota_minutes_reserved} reserved")
        click.echo(f"{found.quota_minutes_used} used")

    ask(url, email, show)
