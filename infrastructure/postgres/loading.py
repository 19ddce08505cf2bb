"""Streams read on from where they are known: those of one moment by one statement, each in its own partition."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
from eventsourcing.persistence import StoredEvent
from msgspec import Struct

from domain.events import Event
from domain.log import StreamHead, StreamTail
from domain.ports import PartitionDetached
from infrastructure.gathering import Gathering
from infrastructure.postgres.detached import detached_told, require_attached
from infrastructure.postgres.mapper import type_named
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried
from infrastructure.unreadable import unreadable_told
from schemas.events import StoredRow, opened, owners_of_sealed
from schemas.sealing import NO_KEYS, KeyRing

Found: TypeAlias = Mapping[str, Sequence[asyncpg.Record]]
"""The rows of each stream, and maybe of others."""

_SQL: Final = load_queries(Path(__file__).parent / "log.sql")


class Asked(Struct, frozen=True):
    """Streams to be read on from their heads, and the partition of each."""

    partitions: Sequence[int]
    heads: Mapping[str, StreamHead]
    events_max: int

    @property
    def rows_max(self) -> int:
        """A stream without news takes a row, too."""
        return self.events_max + len(self.heads)


class StreamReader:
    """Methods raise DatabaseUnavailable, EventUnreadable, or TableDetached when a partition that they are about is not there."""

    def __init__(
        self, pool: Pool, partition_count: int, person_keys: KeyRing, deadline_seconds: float
    ) -> None:
        self._pool = pool
        self._partition_count = partition_count
        self._person_keys = person_keys
        self._deadline_seconds = deadline_seconds
        self._reading = Gathering(self._read_each)

    async def read(
        self, partition: int, heads: Mapping[str, StreamHead], events_max: int
    ) -> Mapping[str, StreamTail]:
        found = await self._reading.answer(Asked([partition] * len(heads), heads, events_max))
        if isinstance(found, PartitionDetached):
            raise found
        new = {stream_id: _new(found[stream_id]) for stream_id in heads if stream_id in found}
        events = iter(await self.opened([_row(each) for rows in new.values() for each in rows]))
        return {
            stream_id: _tail(heads[stream_id], found[stream_id], list(islice(events, len(rows))))
            for stream_id, rows in new.items()
        }

    async def opened(self, rows: Sequence[StoredRow]) -> list[Event]:
        with unreadable_told():
            owners: set[UUID] = owners_of_sealed(rows)
            keys = await self._person_keys.of(owners) if owners else NO_KEYS
            return [opened(row, keys) for row in rows]

    async def read_anywhere(
        self, heads: Mapping[str, StreamHead], events_max: int
    ) -> Mapping[str, StreamTail]:
        """As `read`, but first looks for each stream in all partitions."""
        tails: dict[str, StreamTail] = {}
        for partition, there in (await self._find(heads)).items():
            if partition is None:
                nothing = StreamTail(after=StreamHead(), events=[], head=StreamHead())
                tails |= dict.fromkeys(there, nothing)
            elif events_max > 0:
                read = await self.read(partition, there, events_max)
                events_max -= sum(len(tail.events) for tail in read.values())
                tails |= read
        return tails

    async def _find(self, heads: Mapping[str, StreamHead]) -> Mapping[int | None, Mapping[str, StreamHead]]:
        """By partition; with None those that are nowhere, which is certain only when no partition is detached."""
        rows = await retried(
            lambda: self._pool.fetch(_SQL["find_streams"], list(heads)), self._deadline_seconds
        )
        found: dict[int | None, dict[str, StreamHead]] = {}
        for row in rows:
            found.setdefault(row["partition"], {})[row["stream_id"]] = heads[row["stream_id"]]
        if None in found:
            await require_attached(self._pool, range(self._partition_count))
        return found

    async def _read_each(self, questions: Sequence[Asked]) -> Sequence[Found | PartitionDetached]:
        """By one statement, unless a stream is asked for twice, there is too much new, or a partition is detached."""
        heads = {stream_id: head for each in questions for stream_id, head in each.heads.items()}
        if len(questions) > 1 and len(heads) == sum(len(each.heads) for each in questions):
            partitions = [partition for each in questions for partition in each.partitions]
            together = Asked(partitions, heads, min(each.events_max for each in questions))
            found = await self._read(together)
            if (
                not isinstance(found, PartitionDetached)
                and sum(map(len, found.values())) < together.rows_max
            ):
                return [found] * len(questions)
        return [await self._read(each) for each in questions]

    async def _read(self, asked: Asked) -> Found | PartitionDetached:
        heads = asked.heads.values()
        columns = (
            asked.partitions,
            list(asked.heads),
            [head.version for head in heads],
            [head.event_id for head in heads],
        )
        try:
            async with detached_told(self._pool):
                rows = await retried(
                    lambda: self._pool.fetch(_SQL["read_streams"], *columns, asked.rows_max),
                    self._deadline_seconds,
                )
        except PartitionDetached as problem:
            return problem
        found: dict[str, list[asyncpg.Record]] = {}
        for row in rows:
            found.setdefault(row["stream_id"], []).append(row)
        return found


def _new(rows: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
    """A row without a version says that there is nothing new."""
    return [row for row in rows if row["version"] is not None]


def _tail(asked: StreamHead, rows: Sequence[asyncpg.Record], events: Sequence[Event]) -> StreamTail:
    after = asked if rows[0]["after"] == asked.version else StreamHead()
    last = rows[-1]
    head = StreamHead(last["version"], last["event_id"]) if events else after
    return StreamTail(after=after, events=events, head=head)


def _row(row: asyncpg.Record) -> StoredRow:
    return StoredRow(row["type"], row["schema_version"], row["data"], row["version"])


def row_of(stored: StoredEvent) -> StoredRow:
    """One of the `eventsourcing` package's."""
    kind = type_named(stored.topic)
    return StoredRow(kind.name, kind.schema_version, stored.state, stored.originator_version)
