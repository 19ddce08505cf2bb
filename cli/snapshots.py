"""`stenolog events verify-snapshots`: each snapshot compared with what the log itself is folded to."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import click
import msgspec
from msgspec import Struct

from cli.audit import (
    Connection,
    NoSuchStream,
    Stream,
    find_streams,
    snapshot_rows,
    stream_batches,
    tell_access,
)
from cli.events import allowed_log, events, json_option
from cli.evidence import DIFFERS
from cli.past import decider_of, evolved
from cli.progress import late_bar
from cli.running import run_to_end
from cli.up import data_option
from domain.snapshots import Snapshot
from infrastructure.postgres.snapshots import snapshot_in
from schemas.snapshots import DamagedSnapshot, OtherRules, state_of

Verdict: TypeAlias = Literal["good", "other rules", "damaged", "not of this log", "differs"]

WRONG: Final[frozenset[Verdict]] = frozenset({"damaged", "not of this log", "differs"})
_TOLD: Final[dict[Verdict, str]] = {
    "damaged": "is not what was written, and nobody uses it",
    "not of this log": "is of an event that the log does not have, and nobody uses it",
    "differs": "is not what its events are folded to, and is used",
}


class Looked(Struct, frozen=True, kw_only=True):
    """At one snapshot."""

    stream_id: str
    version: int
    verdict: Verdict


@events.command("verify-snapshots")
@json_option
@data_option
def verify_snapshots(as_json: bool, data: Path) -> None:
    """Fold the streams that have a snapshot from their first event on, and compare.

    Exits 0 when all are what the log says, and 3 when one is not: delete its row of the table snapshots, by which nothing is
    lost. Those that another version of Stenolog made are counted, and used by nobody.
    """
    run_to_end(_verify(as_json, data))


async def _verify(as_json: bool, data: Path) -> None:
    counts: dict[Verdict, int] = {}
    async with allowed_log(data) as log:
        await tell_access(log, "verify-snapshots", "all")
        with late_bar("verifying snapshots") as on_percent:
            async for percent, looked in _looks(log):
                counts[looked.verdict] = counts.get(looked.verdict, 0) + 1
                if as_json or looked.verdict in WRONG:
                    click.echo(msgspec.json.encode(looked) if as_json else _line(looked))
                on_percent(percent, "")
    if not as_json:
        told = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
        click.echo(f"snapshots: {told or 'none'}")
    if WRONG & counts.keys():
        sys.exit(DIFFERS)


def _line(looked: Looked) -> str:
    why = _TOLD[looked.verdict]
    return f"the snapshot of {looked.stream_id} at version {looked.version} {why}: delete its row of the table snapshots"


async def _looks(log: Connection) -> AsyncIterator[tuple[float, Looked]]:
    done = 0
    async for count, row in snapshot_rows(log):
        snapshot = snapshot_in(row)
        done += 1
        yield (
            100 * done / count,
            Looked(
                stream_id=snapshot.stream_id,
                version=snapshot.head.version,
                verdict=await _verdict(log, snapshot),
            ),
        )


async def _verdict(log: Connection, snapshot: Snapshot) -> Verdict:
    """Raises UnreadableEvent, NoRules or TableDetached."""
    try:
        [stream] = await find_streams(log, snapshot.stream_id)
    except NoSuchStream:
        return "not of this log"
    try:
        state = state_of(decider_of(stream), snapshot)
    except OtherRules:
        return "other rules"
    except DamagedSnapshot:
        return "damaged"
    folded = await _folded(log, stream, snapshot)
    if folded is None:
        return "not of this log"
    return "good" if folded == state else "differs"


async def _folded(log: Connection, stream: Stream, snapshot: Snapshot) -> Any:
    """None where the log does not have its event at that place."""
    decider = decider_of(stream)
    state = decider.initial
    async for batch in stream_batches(log, stream):
        for record in batch:
            state = evolved(decider, state, record)
            if record.version == snapshot.head.version:
                return state if record.event_id == snapshot.head.event_id else None
    return None
