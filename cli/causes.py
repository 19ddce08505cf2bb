"""What caused what: the events of a request and of what it set off, and which of them led to which."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from cli.audit import (
    Connection,
    NoSuchStream,
    Stream,
    correlated_batches,
    correlated_in_stream,
    find_streams,
    following,
    heads_of,
    require_all,
    stream_batches,
)
from cli.moments import require_address
from cli.progress import late_bar
from domain.log import Address, LogRecord
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION
from infrastructure.mendable import Mendable

EVENTS_MAX: Final = 10_000

Because: TypeAlias = Literal["causation", "request", "stream"]
"""How it is known: the event names its cause; they were appended together, and the first is the reason for the others;
or the event follows on the other in its stream, so that it was decided on what that one left."""


class NothingCaused(Mendable):
    """No event has this correlation."""


class TooMuchCaused(Mendable):
    def __init__(self) -> None:
        super().__init__(
            f"more than {EVENTS_MAX:,} events have this correlation: look at one stream of them with `stenolog events show`"
        )


class Node(Struct, frozen=True, kw_only=True):
    """`depth` is how many causes lie before it in the tree."""

    record: LogRecord
    cause: LogRecord | None = None
    because: Because | None = None
    depth: int = 0


class Correlation(Struct, frozen=True):
    """What the events have in common, and where they are if that is known: they all have one owner."""

    identity: UUID
    partition: int | None = None


async def correlation_of(log: Connection, asked: UUID | Address) -> Correlation:
    """Raises NoSuchEvent."""
    if isinstance(asked, UUID):
        return Correlation(asked)
    await require_address(log, await heads_of(log), asked)
    [record] = await following(log, asked.partition, asked.seq - 1, asked.seq)
    return Correlation(record.correlation_id, asked.partition)


async def traced(log: Connection, correlation: Correlation) -> Sequence[LogRecord]:
    """The events of a request and those that followed from it, in the order of recording.

    What is done about a transcription after the request for it has the transcription's id as its correlation: so of an
    id that is one all is traced from the request on. Raises NothingCaused, TooMuchCaused or TableDetached.
    """
    found = await _of_transcription(log, correlation.identity) or await _of_request(log, correlation)
    if not found:
        await require_all(log)
        raise NothingCaused(f"no event has the correlation {correlation.identity}")
    distinct = {record.address: record for record in found}
    return sorted(distinct.values(), key=lambda record: (record.recorded_at, record.address))


async def _of_transcription(log: Connection, identity: UUID) -> list[LogRecord]:
    """Its stream, and what was done to its owner's quota at the same times. All of it is found by an index."""
    try:
        [stream] = await find_streams(log, TRANSCRIPTION.stream_id(identity))
    except NoSuchStream:
        return []
    found: list[LogRecord] = []
    async for batch in stream_batches(log, stream):
        found += batch
        _require_few(found)
    for correlation_id in {record.correlation_id for record in found}:
        found += await _in_quota(log, stream, correlation_id)
        _require_few(found)
    return found


async def _of_request(log: Connection, correlation: Correlation) -> list[LogRecord]:
    """Looks through the whole log, or one partition: an index of correlations would slow down every append."""
    heads = await heads_of(log)
    if correlation.partition is not None:
        heads = {correlation.partition: heads[correlation.partition]}
    found: list[LogRecord] = []
    done, total = 0, sum(heads.values())
    with late_bar("looking through the log") as on_percent:
        for partition, head in heads.items():
            async for seq, batch in correlated_batches(log, partition, correlation.identity, head):
                found += batch
                _require_few(found)
                on_percent(100 * (done + seq) / max(total, 1), "")
            done += head
    return [*found, *await _set_off(log, found)]


async def _set_off(log: Connection, found: Sequence[LogRecord]) -> list[LogRecord]:
    """What dispatcher and workers did about the transcriptions that were requested."""
    caused: list[LogRecord] = []
    for requested in found:
        category, _, identity = requested.stream_id.partition("-")
        if category == TRANSCRIPTION.category and requested.type == "TranscriptionRequested":
            stream = Stream(requested.stream_id, requested.partition, requested.owner_id, requested.version)
            caused += await correlated_in_stream(log, stream, UUID(identity), EVENTS_MAX)
            caused += await _in_quota(log, stream, UUID(identity))
            _require_few(caused)
    return caused


async def _in_quota(log: Connection, of: Stream, correlation_id: UUID) -> Sequence[LogRecord]:
    quota = Stream(QUOTA.stream_id(of.owner_id), of.partition, of.owner_id, 0)
    return await correlated_in_stream(log, quota, correlation_id, EVENTS_MAX)


def _require_few(found: Sequence[LogRecord]) -> None:
    if len(found) > EVENTS_MAX:
        raise TooMuchCaused


def tree_of(records: Sequence[LogRecord]) -> Sequence[Node]:
    """Each after its cause, and what one event caused in the order of recording. The records are in that order."""
    roots: list[LogRecord] = []
    caused: dict[UUID, list[LogRecord]] = {}
    causes = dict(_causes(records))
    for record in records:
        cause = causes.get(record.event_id)
        (roots if cause is None else caused.setdefault(cause[0].event_id, [])).append(record)
    return list(_nodes(roots, caused, causes))


Causes: TypeAlias = Mapping[UUID, tuple[LogRecord, Because]]


def _nodes(
    roots: Sequence[LogRecord], caused: Mapping[UUID, Sequence[LogRecord]], causes: Causes
) -> Iterator[Node]:
    waiting = [(record, 0) for record in reversed(roots)]
    while waiting:
        record, depth = waiting.pop()
        cause, because = causes.get(record.event_id, (None, None))
        yield Node(record=record, cause=cause, because=because, depth=depth)
        waiting += [(each, depth + 1) for each in reversed(caused.get(record.event_id, []))]


def _causes(records: Sequence[LogRecord]) -> Iterator[tuple[UUID, tuple[LogRecord, Because]]]:
    """A cause always comes before what it caused, so that there is no circle, whatever the events say.

    Of several that one cause made happen at once the first is told of as its effect, and the others with that one.
    """
    by_id: dict[UUID, LogRecord] = {}
    first_of_append: dict[tuple[object, ...], LogRecord] = {}
    last_of_stream: dict[str, LogRecord] = {}
    for record in records:
        together = record.partition, record.correlation_id, record.recorded_at
        first = first_of_append.get(together)
        before: tuple[tuple[LogRecord | None, Because], ...] = (
            (first if first and first.causation_id == record.causation_id else None, "request"),
            (by_id.get(record.causation_id) if record.causation_id else None, "causation"),
            (first, "request"),
            (last_of_stream.get(record.stream_id), "stream"),
        )
        for cause, because in before:
            if cause is not None:
                yield record.event_id, (cause, because)
                break
        by_id.setdefault(record.event_id, record)
        first_of_append.setdefault(together, record)
        last_of_stream[record.stream_id] = record
