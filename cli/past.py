"""Streams as they were at a moment of the past: their events folded up to there by the rules of today."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from cli.audit import (
    Connection,
    NoSuchStream,
    Stream,
    find_streams,
    heads_of,
    stream_batches,
)
from cli.moments import Moment, NoSuchEvent, require_address
from cli.progress import late_bar
from cli.telling import Fields, UnreadableEvent, event_of, is_sealed, personal_names, without_sealed
from domain.api_keys import API_KEYS
from domain.decider import Decider
from domain.log import LogRecord
from domain.media_file import MEDIA_FILE
from domain.quota import QUOTA, Quota
from domain.transcription import TRANSCRIPTION
from domain.user import USER
from infrastructure.mendable import Mendable

DECIDERS: Final[Mapping[str, Decider[Any, Any, Any]]] = {
    each.category: each for each in (USER, QUOTA, MEDIA_FILE, TRANSCRIPTION, API_KEYS)
}


class NoRules(Mendable):
    def __init__(self, stream_id: str) -> None:
        super().__init__(f"{stream_id} is of no kind whose rules this version knows: run a newer Stenolog")


class Past(Struct, frozen=True, kw_only=True):
    """A stream after `events` of its events, of which the last is `last`; the state's fields as JSON has them."""

    stream_id: str
    partition: int
    events: int = 0
    last_seq: int | None = None
    recorded_at: datetime | None = None
    state: Fields = {}


async def streams_to_replay(log: Connection, identity: str) -> Sequence[Stream]:
    """Those of this name, and the quota of whoever they belong to. Raises NoSuchStream, TableDetached or NoRules."""
    found = list(await find_streams(log, identity))
    quota_id = QUOTA.stream_id(found[0].owner_id)
    if quota_id not in {stream.stream_id for stream in found}:
        try:
            found += await find_streams(log, quota_id)
        except NoSuchStream:
            """Nothing was ever granted."""
    for stream in found:
        decider_of(stream)
    return found


async def require_moments(log: Connection, streams: Sequence[Stream], moments: Sequence[Moment]) -> None:
    """Raises NoSuchEvent for an address that is nowhere, or that says nothing of these streams."""
    heads = await heads_of(log)
    for moment in moments:
        if moment.address is None:
            continue
        await require_address(log, heads, moment.address)
        for stream in streams:
            if stream.partition != moment.address.partition:
                raise NoSuchEvent(
                    f"{moment.address} is in another partition than {stream.stream_id}, which is in {stream.partition}: "
                    "give an address of that one, or a time"
                )


async def past_of(log: Connection, stream: Stream, until: Moment | None) -> Past:
    """Raises UnreadableEvent."""
    decider = decider_of(stream)
    state, last, sealed = decider.initial, None, False
    with late_bar(f"replaying {stream.stream_id}") as on_percent:
        async for batch in stream_batches(log, stream):
            for record in batch:
                if until is not None and not until.includes(record):
                    return _past(stream, state, last, sealed=sealed)
                state, last = evolved(decider, state, record), record
                sealed = sealed or is_sealed(record)
            on_percent(100 * batch[-1].version / stream.version, "")
    return _past(stream, state, last, sealed=sealed)


def decider_of(stream: Stream) -> Decider[Any, Any, Any]:
    """Raises NoRules."""
    decider = DECIDERS.get(stream.stream_id.partition("-")[0])
    if decider is None:
        raise NoRules(stream.stream_id)
    return decider


def evolved(decider: Decider[Any, Any, Any], state: Any, record: LogRecord) -> Any:
    event = event_of(record)
    try:
        return decider.fold([event], state)
    except AssertionError:
        why = f"{record.type} is no event of a {decider.category}; `stenolog events verify` tells more"
        raise UnreadableEvent(record, why) from None


def _past(stream: Stream, state: Any, last: LogRecord | None, *, sealed: bool) -> Past:
    fields = fields_of_state(state)
    if sealed:
        fields = without_sealed(fields, personal_names(state.__class__), always=True)
    return Past(
        stream_id=stream.stream_id,
        partition=stream.partition,
        events=last.version if last else 0,
        last_seq=last.seq if last else None,
        recorded_at=last.recorded_at if last else None,
        state=fields,
    )


def fields_of_state(state: Any) -> Fields:
    """As JSON has them; of a quota also what follows from them."""
    fields = dict(msgspec.to_builtins(state, order="deterministic", str_keys=True))
    if isinstance(state, Quota):
        fields["minutes_reserved"] = state.minutes_reserved
        fields["minutes_available"] = state.minutes_available
    return fields


def differences(before: Past, after: Past) -> Mapping[str, tuple[object, object]]:
    """What is another, by the names of the fields, those of held structs after a point."""
    one, other = flat(before.state), flat(after.state)
    names = [*one, *(name for name in other if name not in one)]
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


def flat(fields: Fields, prefix: str = "") -> dict[str, object]:
    """By one name each, as in `job.file_id`."""
    found: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
