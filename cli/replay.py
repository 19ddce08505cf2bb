"""`stenolog events replay`: the state of a stream, and its owner's quota, at a moment of the past."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from cli.audit import tell_access
from cli.events import allowed_log, events, json_option
from cli.moments import MOMENT, Moment
from cli.past import Past, differences, flat, past_of, require_moments, streams_to_replay
from cli.running import printable, run_to_end
from cli.up import data_option


@events.command()
@click.argument("stream")
@click.option(
    "--until", type=MOMENT, help="The moment; now without it. A time is UTC unless it says otherwise."
)
@click.option(
    "--diff",
    "between",
    type=(MOMENT, MOMENT),
    metavar="A B",
    help="What changed from one moment to another, in the place of a state.",
)
@json_option
@data_option
def replay(
    stream: str, until: Moment | None, between: tuple[Moment, Moment] | None, as_json: bool, data: Path
) -> None:
    """Print the state of STREAM at a moment of the past, and the quota of its owner at that moment.

    STREAM is a stream id such as transcription-<uuid>, or a UUID alone. The events are folded by the rules of this version. An
    address stands for all events of its partition up to that one, a time for all that were recorded by then.
    """
    if until and between:
        raise click.UsageError("give --until or --diff, and not both")
    run_to_end(_diff(stream, between, as_json, data) if between else _replay(stream, until, as_json, data))


async def _replay(stream: str, until: Moment | None, as_json: bool, data: Path) -> None:
    async with allowed_log(data) as log:
        streams = await streams_to_replay(log, stream)
        await require_moments(log, streams, [until] if until else [])
        await tell_access(log, "replay", f"{streams[0].stream_id} until {until or 'now'}")
        for each in streams:
            past = await past_of(log, each, until)
            click.echo(msgspec.json.encode(past) if as_json else "\n".join(_state(past)))


async def _diff(stream: str, between: tuple[Moment, Moment], as_json: bool, data: Path) -> None:
    async with allowed_log(data) as log:
        streams = await streams_to_replay(log, stream)
        await require_moments(log, streams, between)
        await tell_access(log, "replay", f"{streams[0].stream_id} from {between[0]} to {between[1]}")
        for each in streams:
            pasts = [await past_of(log, each, moment) for moment in between]
            click.echo(_diff_as_json(*pasts) if as_json else "\n".join(_changes(*pasts)))


def _state(past: Past) -> Iterator[str]:
    yield _heading(past)
    yield from _table([(name, _shown(value)) for name, value in flat(past.state).items()])


def _changes(before: Past, after: Past) -> Iterator[str]:
    yield f"{_heading(before)}\n{_heading(after)}"
    changes = differences(before, after)
    yield from _table(
        [(name, f"{_shown(one)} → {_shown(other)}") for name, (one, other) in changes.items()]
    )
    if not changes:
        yield "  nothing changed"


def _diff_as_json(before: Past, after: Past) -> bytes:
    told = {"before": before, "after": after, "changes": differences(before, after)}
    return msgspec.json.encode({"stream_id": before.stream_id, **told})


def _heading(past: Past) -> str:
    if past.recorded_at is None:
        return f"{past.stream_id}: no event by then"
    moment = past.recorded_at.isoformat(sep=" ", timespec="milliseconds")
    events = "1 event" if past.events == 1 else f"{past.events:,} events"
    return f"{past.stream_id} after {events}, the last {past.partition}:{past.last_seq} at {moment}"


def _table(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return (printable(f"  {name:<{width}}  {value}") for name, value in rows)


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
