"""`stenolog events`: the log as an auditor sees it."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from cli.audit import (
    Connection,
    coming_records,
    detached,
    newest_records,
    opened_log,
    stream_records,
    with_related,
)
from cli.running import run
from cli.up import data_option
from domain.log import LogRecord
from embedded.stack_folder import StackFolder
from infrastructure.encryption import require_encryption
from infrastructure.postgres.errors import TableDetached
from infrastructure.settings import read_settings

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")


@click.group()
def events() -> None:
    """Read the event log, and verify it.

    It is the log in STENOLOG_DATABASE_URL, or else that of the `stenolog up` that runs on the data folder.
    """


@events.command()
@click.argument("stream")
@click.option(
    "--related", is_flag=True, help="Also what the same requests did to other streams of the owner."
)
@json_option
@data_option
def show(stream: str, related: bool, as_json: bool, data: Path) -> None:
    """Print the events of STREAM: a stream id such as transcription-<uuid>, or a UUID alone."""
    run(_show(stream, related, as_json, data))


@events.command()
@click.option(
    "-n", "count", type=click.IntRange(0, 10_000), default=20, show_default=True, help="How many."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is appended, until Ctrl-C.")
@json_option
@data_option
def tail(count: int, follow: bool, as_json: bool, data: Path) -> None:
    """Print the newest events of all partitions, in the order in which they were recorded."""
    run(_tail(count, follow, as_json, data))


async def _show(stream: str, related: bool, as_json: bool, data: Path) -> None:
    async with _allowed_log(data) as log:
        found = await stream_records(log, stream)
        _print(await with_related(log, found) if related else found, as_json)


async def _tail(count: int, follow: bool, as_json: bool, data: Path) -> None:
    async with _allowed_log(data) as log:
        await _tell_detached(log)
        newest, heads = await newest_records(log, count)
        _print(newest, as_json)
        if follow:
            async for record in coming_records(log, heads):
                _print([record], as_json)


async def _tell_detached(log: Connection) -> None:
    """Beside what is printed, so that nobody takes it for everything."""
    if away := await detached(log):
        click.echo(f"{TableDetached(away)}; its events are not shown", err=True)


def _allowed_log(data: Path) -> AbstractAsyncContextManager[Connection]:
    """Raises InvalidSetting where it would be read in the clear and that is forbidden; a log of `up` is on this machine."""
    if os.environ.get("STENOLOG_DATABASE_URL"):
        require_encryption(read_settings(), ["database"])
    return opened_log(database_url(data))


def database_url(data: Path) -> str:
    return os.environ.get("STENOLOG_DATABASE_URL") or StackFolder(data).addresses().database_url


def _print(records: Sequence[LogRecord], as_json: bool) -> None:
    for record in records:
        click.echo(as_json_line(record) if as_json else as_text(record))


def as_text(record: LogRecord) -> str:
    """Address, time, type, stream and version, then who caused it, then what is in it."""
    causes = {
        "actor": record.actor,
        "correlation": record.correlation_id,
        "causation": record.causation_id,
        "request": record.request_id,
    }
    moment = record.recorded_at.isoformat(sep=" ", timespec="milliseconds")
    return "\n".join(
        [
            f"{record.address!s:>8}  {moment}  {record.type}  {record.stream_id} v{record.version}",
            "          "
            + "  ".join(f"{name} {value}" for name, value in causes.items() if value is not None),
            f"          {record.data.decode()}",
        ]
    )


def as_json_line(record: LogRecord) -> str:
    """Every field of the record; `data` is the event itself, not a string with it."""
    fields = msgspec.structs.asdict(record) | {"data": msgspec.Raw(record.data)}
    return msgspec.json.encode(fields).decode()
