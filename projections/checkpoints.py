"""How far each projection has come in each partition, and which partitions stand still at an event."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from domain.log import Address
from domain.ports import FeedPosition
from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries

NEVER: Final = 1 << 62
"""More events than there will be."""

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class Checkpoint(Struct, frozen=True):
    """The last `seq` each projection has folded of one partition; a rebuild may put one ahead of the others.

    `stamp` is that of the last write, None where that was not one write of all of them.
    """

    seqs: Mapping[str, int]
    next_offset: int | None = None
    stamp: UUID | None = None

    @property
    def position(self) -> FeedPosition:
        return FeedPosition(seq=min(self.seqs.values()), next_offset=self.next_offset)

    def advanced(self, seq: int, next_offset: int | None) -> "Checkpoint":
        """With a stamp of its own: no two writes have the same."""
        seqs = {name: max(seq, before) for name, before in self.seqs.items()}
        return Checkpoint(seqs, next_offset, uuid4())


Checkpoints = Mapping[int, Checkpoint]
"""By partition."""


class CheckpointMoved(Exception):
    """Somebody else has folded these events: another owner of the partition, or a rebuild."""


class Failure(Struct, frozen=True):
    """An event that could not be folded; its partition stands still in front of it. Holds nothing personal."""

    projection: str
    partition: int
    seq: int
    type: str
    error: str
    since: datetime
    tries: int


Versions = Mapping[str, int]
"""By projection, which version of it we know how to fold."""


class Places(Struct, frozen=True):
    """By partition: where the live projections are, and where those that are still catching up."""

    live: Checkpoints
    catching_up: Mapping[int, Mapping[str, int]]


async def read_checkpoints(
    connection: Connection,
    known: Versions,
    partitions: Collection[int],
    catch_up_above: int = NEVER,
) -> Places:
    """Where these projections are, starting those that were never there at 0; not those of another version.

    One that starts where others have folded more than `catch_up_above` events is to catch up beside them.
    """
    await connection.execute(
        SQL["begin"], list(known), list(known.values()), list(partitions), catch_up_above
    )
    return await stored_places(connection, known, partitions)


async def stored_places(connection: Connection, known: Versions, partitions: Collection[int]) -> Places:
    """Where these projections are; nothing for partitions in which none of them ever began.

    Raises DatabaseNotMigrated where the version before made the table.
    """
    arguments = list(known), list(known.values()), list(partitions)
    try:
        rows = await connection.fetch(SQL["read"], *arguments)
    except asyncpg.UndefinedColumnError as problem:
        raise DatabaseNotMigrated from problem
    seqs: dict[int, dict[str, int]] = defaultdict(dict)
    behind: dict[int, dict[str, int]] = defaultdict(dict)
    offsets: dict[int, int | None] = {}
    stamps: dict[int, set[UUID | None]] = defaultdict(set)
    for row in sorted(rows, key=lambda row: row["seq"], reverse=True):
        projection, partition, seq, next_offset, catching_up, stamp = row
        if catching_up:
            behind[partition][projection] = seq
        else:
            seqs[partition][projection] = seq
            offsets[partition] = next_offset  # That of the projection furthest behind stays.
            stamps[partition].add(stamp)
    live = {each: Checkpoint(seqs[each], offsets[each], _one_of(stamps[each])) for each in seqs}
    return Places(live, behind)


def _one_of(stamps: Collection[UUID | None]) -> UUID | None:
    """The stamp of all, if they have but one."""
    return next(iter(stamps)) if len(stamps) == 1 else None


async def caught_up(
    connection: Connection,
    known: tuple[str, int],
    partition: int,
    seq: int,
    next_offset: int | None,
) -> None:
    """From the commit on the projection is one of the live ones. Raises CheckpointMoved."""
    projection, version = known
    if not await connection.fetchval(SQL["caught_up"], projection, partition, seq, next_offset, version):
        raise CheckpointMoved


async def advance(
    connection: Connection,
    known: Versions,
    before: Checkpoints,
    after: Checkpoints,
    channel: str | None = None,
) -> None:
    """Moves the checkpoints in the open transaction, all or none. Raises CheckpointMoved.

    Its commit tells those who wait on the channel.
    """
    moves = [
        (projection, partition, before[partition].seqs[projection], seq, place.next_offset, place.stamp)
        for partition, place in sorted(after.items())
        for projection, seq in place.seqs.items()
        if seq != before[partition].seqs[projection]
    ]
    told = [str(Address(partition, place.position.seq)) for partition, place in after.items() if channel]
    versions = [known[projection] for projection, *_ in moves]
    if not moves:
        return
    *columns, stamps = zip(*moves, strict=True)
    arguments = (*columns, channel, told, versions, stamps)
    if await connection.fetchval(SQL["advance"], *arguments) != len(moves):
        raise CheckpointMoved


async def reached(connection: Connection, projections: Sequence[str]) -> dict[int, int]:
    """By partition, the `seq` up to which every one of these projections has folded; nothing where none began."""
    return {row["partition"]: row["seq"] for row in await connection.fetch(SQL["reached"], projections)}


async def outdated(connection: Connection, known: Versions) -> list[str]:
    """The projections whose tables are of an older version than the one we know."""
    rows = await connection.fetch(SQL["outdated"], list(known), list(known.values()))
    return [row["projection"] for row in rows]


async def record_failure(
    connection: Connection, projection: str, address: Address, event_type: str, error: str
) -> int:
    """Notes that the partition stands still; returns how often this event was tried."""
    tries = await connection.fetchval(
        SQL["record_failure"], projection, address.partition, address.seq, event_type, error
    )
    assert isinstance(tries, int)
    return tries


async def failed_partitions(
    connection: Connection, projections: Sequence[str], partitions: Collection[int]
) -> set[int]:
    rows = await connection.fetch(SQL["failed_partitions"], projections, list(partitions))
    return {partition for (partition,) in rows}


async def clear_failures(
    connection: Connection, projections: Sequence[str], partitions: Collection[int]
) -> None:
    await connection.execute(SQL["clear_failures"], projections, list(partitions))


async def failures(connection: Connection) -> list[Failure]:
    return [Failure(*record) for record in await connection.fetch(SQL["failures"])]
