"""`stenolog keys`: API keys for programs, made, listed and revoked by who has logged in."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
import msgspec

from cli.asking import api_options, ask
from cli.client import Client
from cli.events import json_option
from cli.running import printable, say
from domain.api_keys import SCOPES, KeyScope, name_of
from domain.errors import InvalidField
from schemas.bodies import ApiKeyBody, ApiKeyRequest

_NEVER = "-"


@click.group()
def keys() -> None:
    """Make, list and revoke API keys, with which programs use the API.

    It takes a login: no key can make, see or revoke keys.
    """


def _named(_: click.Context, __: click.Parameter, text: str) -> str:
    """What a shell hands over need not be text at all."""
    try:
        return name_of(text)
    except InvalidField as problem:
        raise click.BadParameter(str(problem)) from None


@keys.command()
@click.argument("name", callback=_named)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="What the key may; both for a program that transcribes.",
)
@click.option(
    "--days", type=click.IntRange(1, 3650), help="For how long it is good.  [default: until revoked]"
)
@json_option
@api_options
def create(
    *,
    url: str | None,
    email: str | None,
    name: str,
    scopes: tuple[KeyScope, ...],
    days: int | None,
    as_json: bool,
) -> None:
    """Make a key for what NAME says, and print it: once, nobody can show it again."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    asked = ApiKeyRequest(name=name, scopes=scopes, expires_at=expires_at)

    async def make(client: Client) -> None:
        made = await client.create_api_key(asked)
        click.echo(msgspec.json.encode(made).decode() if as_json else made.key)
        say(f"keep it now, it is not shown again; `stenolog keys revoke {made.id}` ends it")

    ask(url, email, make)


@keys.command("list")
@json_option
@api_options
def list_keys(url: str | None, email: str | None, as_json: bool) -> None:
    """Print your keys, oldest first: id, beginning, scopes, when it expires, when it was used last, name."""

    async def show(client: Client) -> None:
        found = await client.api_keys()
        for each in found:
            click.echo(msgspec.json.encode(each).decode() if as_json else _line(each))
        if not found:
            say("no keys yet")

    ask(url, email, show)


def _line(each: ApiKeyBody) -> str:
    scopes = ",".join(each.scopes)
    moments = f"{_moment(each.expires_at):<16}  {_moment(each.last_used_at):<16}"
    return f"{each.id}  {each.prefix}…  {scopes:<10}  {moments}  {printable(each.name)}"


def _moment(moment: datetime | None) -> str:
    if moment is None:
        return _NEVER
    with suppress(OverflowError):  # The last day there is may be over here before it begins there.
        moment = moment.astimezone()
    return moment.strftime("%Y-%m-%d %H:%M")


@keys.command()
@click.argument("key_id", metavar="ID", type=click.UUID)
@api_options
def revoke(url: str | None, email: str | None, key_id: UUID) -> None:
    """Revoke the key with this ID: from then on nothing accepts it."""

    async def end(client: Client) -> None:
        await client.revoke_api_key(key_id)
        say(f"key {key_id} is revoked")

    ask(url, email, end)
