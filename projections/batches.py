"""One batch of events into the tables, with the checkpoints, in one transaction."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct

from domain.events import Event
from domain.log import RecordedEvent
from infrastructure.master_keys import KeysUnfit
from infrastructure.mendable import Mendable
from infrastructure.postgres.errors import OUTAGES
from infrastructure.postgres.pool import Connection
from projections import checkpoints
from projections.checkpoints import NEVER, Checkpoint, Checkpoints
from projections.projection import Projection, fold_into, versions_of
from projections.reading import Reading
from schemas.events import REGISTRY, EventType, UnknownEventType
from schemas.sealing import Unsealable

EVERY_PROJECTION: Final = "all"
"""Named for an event nobody can read."""


class PartitionBatch(Struct, frozen=True):
    """Consecutive records of one partition; `next_offset` is where Kafka goes on after them, if known."""

    records: Sequence[RecordedEvent]
    next_offset: int | None = None

    @property
    def last_seq(self) -> int:
        return self.records[-1].seq


Batch = Mapping[int, PartitionBatch]
"""By partition."""


class ProjectionFailed(Mendable):
    """An event in the batch could not be read or folded; the message holds nothing personal."""

    def __init__(self, projection: str, problem: BaseException) -> None:
        super().__init__(describe(problem))
        self.projection = projection


def describe(problem: BaseException) -> str:
    """What went wrong, without the values it went wrong with: they may be somebody's."""
    name = type(problem).__name__
    if isinstance(problem, UnknownEventType | Unsealable | KeysUnfit):
        return f"{name}: {problem}"
    if isinstance(problem, asyncpg.PostgresError):
        return f"{name} {problem.sqlstate} {getattr(problem, 'constraint_name', None) or ''}".rstrip()
    return name


async def apply_batch(
    connection: Connection,
    projections: Sequence[Projection[Any]],
    reached: Checkpoints,
    batch: Batch,
    reading: Reading,
    *,
    channel: str | None = None,
) -> dict[int, Checkpoint]:
    """Folds the batch in the open transaction; each projection skips what it has already folded.

    The commit notifies the channel of what is reached.

    Raises CheckpointMoved, or ProjectionFailed; nothing of the batch may be committed then.
    """
    after = {
        partition: reached[partition].advanced(part.last_seq, part.next_offset)
        for partition, part in batch.items()
    }
    # Checkpoints first: a zombie fails before it touches a row, and a rebuild that holds them is waited for
    # without holding the tables it wants to replace.
    await checkpoints.advance(connection, versions_of(projections), reached, after, channel)
    events = await _read(batch, _ignored(projections), reading)
    for projection in projections:
        try:
            await fold_into(connection, projection, _unseen(events, projection.name, reached))
        except Exception as problem:
            if isinstance(problem, OUTAGES):
                raise
            raise ProjectionFailed(projection.name, problem) from problem
    return after


def _ignored(projections: Iterable[Projection[Any]]) -> frozenset[EventType]:
    wanted = {kind for projection in projections for kind in projection.keys}
    return frozenset(name for name, kind in REGISTRY.items() if kind not in wanted)


async def _read(
    batch: Batch, ignored: Collection[EventType], reading: Reading
) -> list[tuple[RecordedEvent, Event]]:
    wanted = [
        record
        for part in batch.values()
        for record in part.records
        if EventType(record.type, record.schema_version) not in ignored
    ]
    try:
        decode = await reading.prepared(wanted)
        return [(record, decode(record)) for record in wanted]
    except Exception as problem:
        if isinstance(problem, OUTAGES):
            raise
        raise ProjectionFailed(EVERY_PROJECTION, problem) from problem


def _unseen(
    events: Iterable[tuple[RecordedEvent, Event]], projection: str, reached: Checkpoints
) -> Iterator[Event]:
    """Nothing of partitions in which the projection is still catching up elsewhere."""
    seen = {partition: place.seqs.get(projection, NEVER) for partition, place in reached.items()}
    return (event for record, event in events if record.seq > seen[record.partition])
