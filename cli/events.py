"""`stenolog events`: the log as an auditor sees it."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Final

import click

from cli.audit import (
    Connection,
    Heads,
    LogAway,
    NoLog,
    Stream,
    coming_records,
    detached,
    find_streams,
    heads_of,
    newest_records,
    opened_log,
    owner_batches,
    stream_batches,
    stream_records,
    tell_access,
    with_related,
)
from cli.progress import late_bar
from cli.running import run, run_to_end, say
from cli.telling import Timeline, as_json_line
from cli.up import data_option
from domain.log import LogRecord
from embedded.stack_folder import StackFolder
from infrastructure.encryption import require_encryption
from infrastructure.postgres.errors import TableDetached
from infrastructure.settings import read_settings

RETRY_SECONDS: Final = 1.0

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")


@click.group()
def events() -> None:
    """Read the event log, and verify it.

    It is the log in STENOLOG_DATABASE_URL, or else that of the `stenolog up` that runs on the data folder. A user who is of the
    role stenolog_auditor may do all of this, and nothing else.
    """


@events.command()
@click.argument("stream", metavar="STREAM|USER|TRANSCRIPTION")
@click.option(
    "--related", is_flag=True, help="Also what the same requests did to other streams of the owner."
)
@json_option
@data_option
def show(stream: str, related: bool, as_json: bool, data: Path) -> None:
    """Print what happened, oldest first.

    Give the id of a stream, such as transcription-<uuid>; or the UUID alone of a transcription or a file; or that of a user, for all
    that is recorded about that person.
    """
    run_to_end(_show(stream, related, as_json, data))


@events.command()
@click.option(
    "-n", "count", type=click.IntRange(0, 10_000), default=20, show_default=True, help="How many."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is appended, until Ctrl-C.")
@json_option
@data_option
def tail(count: int, follow: bool, as_json: bool, data: Path) -> None:
    """Print the newest events of all partitions, in the order in which they were recorded.

    Where the database goes away, --follow waits for it, and goes on where it was.
    """
    run(_tail(count, follow, as_json, data))


async def _show(stream: str, related: bool, as_json: bool, data: Path) -> None:
    shown = _Shown(as_json)
    async with allowed_log(data) as log:
        streams = await find_streams(log, stream)
        is_person = streams[0].is_of_a_person and stream != streams[0].stream_id
        told = f"person {streams[0].owner_id}" if is_person else _named(streams)
        await tell_access(log, "show", told)
        if related:
            shown.print(await with_related(log, await stream_records(log, stream)))
            return
        async for batch in _of_person(log, streams[0]) if is_person else _of_streams(log, streams):
            shown.print(batch)


def _named(streams: Sequence[Stream]) -> str:
    return ", ".join(stream.stream_id for stream in streams)


async def _of_person(log: Connection, stream: Stream) -> AsyncIterator[Sequence[LogRecord]]:
    head = (await heads_of(log))[stream.partition]
    with late_bar(f"looking through partition {stream.partition}") as on_percent:
        async for seq, batch in owner_batches(log, stream.partition, stream.owner_id, head):
            yield batch
            on_percent(100 * seq / head, "")


async def _of_streams(log: Connection, streams: Sequence[Stream]) -> AsyncIterator[Sequence[LogRecord]]:
    for stream in streams:
        async for batch in stream_batches(log, stream):
            yield batch


async def _tail(count: int, follow: bool, as_json: bool, data: Path) -> None:
    shown = _Shown(as_json)
    async with allowed_log(data) as log:
        await _tell_detached(log)
        await tell_access(log, "tail", f"the newest {count}{' and what follows' if follow else ''}")
        newest, heads = await newest_records(log, count)
        shown.print(newest)
    if follow:
        await _follow(shown, heads, data)


async def _follow(shown: "_Shown", heads: Heads, data: Path) -> None:
    """For ever: a database that goes away is waited for."""
    seen = dict(heads)
    is_away = False
    while True:
        try:
            async with allowed_log(data) as log:
                if is_away:
                    say("the database is back")
                    is_away = False
                    await tell_access(log, "tail", "what follows, once more")
                _forget_what_is_gone(seen, await heads_of(log))
                async with aclosing(coming_records(log, seen)) as coming:
                    async for record in coming:
                        shown.print([record])
                        seen[record.partition] = record.seq
        except (LogAway, NoLog) as problem:
            if not is_away:
                say(f"{problem}; waiting for it")
            is_away = True
            await asyncio.sleep(RETRY_SECONDS)


def _forget_what_is_gone(seen: dict[int, int], heads: Heads) -> None:
    """After a failover that lost commits other events may take the places of some that were shown."""
    for partition, head in heads.items():
        if head < seen.get(partition, 0):
            say(
                f"partition {partition} went back to event {head}: what follows takes the place of what was shown"
            )
            seen[partition] = head


async def _tell_detached(log: Connection) -> None:
    """Beside what is printed, so that nobody takes it for everything."""
    if away := await detached(log):
        click.echo(f"{TableDetached(away)}; its events are not shown", err=True)


def allowed_log(data: Path) -> AbstractAsyncContextManager[Connection]:
    """Raises InvalidSetting where it would be read in the clear and that is forbidden; a log of `up` is on this machine."""
    if os.environ.get("STENOLOG_DATABASE_URL"):
        require_encryption(read_settings(), ["database"])
    return opened_log(database_url(data))


def database_url(data: Path) -> str:
    return os.environ.get("STENOLOG_DATABASE_URL") or StackFolder(data).addresses().database_url


class _Shown:
    """What is printed, for people or for programs."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._timeline = Timeline()

    def print(self, records: Sequence[LogRecord]) -> None:
        for line in map(as_json_line, records) if self._as_json else self._timeline.tell(records):
            click.echo(line)
