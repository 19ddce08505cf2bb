"""Events of before fields were sealed: their personal fields are sealed where they lie, and nobody passes on others."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
from msgspec import Struct

from domain.events import Event
from infrastructure.postgres.detached import detached_partitions
from infrastructure.postgres.errors import DatabaseNotMigrated
from infrastructure.postgres.person_keys import PostgresPersonKeys
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried
from schemas.events import IN_THE_CLEAR, StoredRow, encode_again, opened, type_of
from schemas.sealing import NO_KEYS, Keys

STRETCH: Final = 2_000
"""Events that are looked at together; writers of the partition wait while those that are to be sealed are written."""
DEADLINE_SECONDS: Final = 60.0
ANALYZE_SECONDS_MAX: Final = 600.0

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_NAMES, _VERSIONS = zip(*sorted(IN_THE_CLEAR), strict=True)

Answer = TypeVar("Answer")

Tell = Callable[[int, int], None]
"""Hears how many events were looked at, and of how many."""


class Kept(Struct, frozen=True):
    """The events of a partition that stay in the clear: those that evidence shows, and those that cannot be read."""

    through: int = 0
    unreadable: frozenset[int] = frozenset()

    def has(self, seq: int) -> bool:
        return seq <= self.through or seq in self.unreadable


class Outcome(Struct, frozen=True, kw_only=True):
    """`kept` and `unreadable` are all there are, also of earlier runs."""

    sealed: int
    kept: int
    unreadable: Sequence[str]
    detached: Collection[int]


class _Event(Struct, frozen=True):
    """One that is to be sealed."""

    seq: int
    schema_version: int
    version: int
    event: Event


class ClearEvents:
    """Of one log, beside everything else that is at work on it: any number of processes may seal them at once.

    `keys` are asked for when they are needed first, `covered` tells how many events of a partition evidence shows. Methods raise
    DatabaseUnavailable, DatabaseNotMigrated, or what is wrong with the keys.
    """

    def __init__(
        self,
        pool: Pool,
        keys: Callable[[], Awaitable[PostgresPersonKeys]],
        covered: Callable[[int], Awaitable[int]],
        *,
        stretch: int = STRETCH,
    ) -> None:
        self._pool = pool
        self._ask_for_keys = keys
        self._covered = covered
        self._stretch = stretch
        self._keys: PostgresPersonKeys | None = None

    async def seal(self, tell: Tell) -> Outcome:
        """Each stretch is written, and that it was, in one transaction: killed, it goes on after the last one."""
        await _asked(lambda: self._pool.execute(_SQL["begin"]))
        covered = await self._begin_again()
        places = await _asked(lambda: self._pool.fetch(_SQL["partitions"]))
        there = sum(row["head"] - row["looked_through"] for row in places)
        looked = sealed = 0
        for partition, after, head in places:
            for first in range(after, head, self._stretch):
                last = min(first + self._stretch, head)
                sealed += await self._seal(partition, first, last, covered[partition])
                looked += last - first
                tell(looked, there)
        if sealed:
            await self._pool.execute(_SQL["forget_samples"], timeout=ANALYZE_SECONDS_MAX)
        return await self._outcome(sealed)

    async def _begin_again(self) -> dict[int, int]:
        """By partition, how many events evidence shows; where that is less than before, all are looked at once more."""
        rows = await self._pool.fetch(_SQL["partitions"])
        covered = {row["partition"]: await self._covered(row["partition"]) for row in rows}
        for partition, size in covered.items():
            await self._pool.execute(_SQL["begin_again"], partition, size)
        return covered

    async def _seal(self, partition: int, after: int, last: int, covered: int) -> int:
        """How many were sealed of those after `after` up to `last`."""
        query = _SQL["following"].format(partition=partition)
        rows = await _asked(lambda: self._pool.fetch(query, after, last, _NAMES, _VERSIONS))
        kept = sum(row["seq"] <= covered for row in rows)
        events, unreadable = _read(rows[kept:])
        columns = await self._columns(events)
        noted = partition, after, last, covered, kept, unreadable
        return await _asked(lambda: self._write(partition, columns, noted))

    async def _columns(self, events: Sequence[_Event]) -> Sequence[Sequence[object]]:
        """As the query takes them."""
        keys = await self._keys_of(events) if events else NO_KEYS
        rows = [
            (
                each.seq,
                each.schema_version,
                type_of(each.event).schema_version,
                encode_again(each.event, each.version, keys[each.event.user_id]),
            )
            for each in events
        ]
        return [*zip(*rows, strict=True)]

    async def _keys_of(self, events: Sequence[_Event]) -> Keys:
        if self._keys is None:
            self._keys = await self._ask_for_keys()
        return await self._keys.provide_each({each.event.user_id for each in events})

    async def _write(
        self, partition: int, columns: Sequence[Sequence[object]], noted: Sequence[Any]
    ) -> int:
        sealed = 0
        async with self._pool.acquire() as connection, connection.transaction():
            if columns:
                sealed = await _rewrite(connection, partition, columns)
            await connection.execute(_SQL["note"], *noted)
        return sealed

    async def _outcome(self, sealed: int) -> Outcome:
        row = await self._pool.fetchrow(_SQL["outcome"])
        assert row is not None
        detached = await detached_partitions(self._pool)
        return Outcome(sealed=sealed, kept=row["kept"], unreadable=row["unreadable"], detached=detached)


async def kept_in_the_clear(pool: Pool | Connection, partition: int) -> Kept:
    """Those that may be passed on as they are."""
    row = await _asked(lambda: pool.fetchrow(_SQL["kept"], partition))
    return Kept(row["kept_through"], frozenset(row["unreadable"])) if row else Kept()


def _read(rows: Sequence[asyncpg.Record]) -> tuple[Sequence[_Event], Sequence[int]]:
    """Events, and where some lie that are none."""
    events, unreadable = list[_Event](), list[int]()
    for row in rows:
        stored = StoredRow(row["type"], row["schema_version"], row["data"], row["version"])
        try:
            event = opened(stored, NO_KEYS)
        except msgspec.DecodeError:
            unreadable.append(row["seq"])
        else:
            events.append(_Event(row["seq"], row["schema_version"], row["version"], event))
    return events, unreadable


async def _rewrite(connection: Connection, partition: int, columns: Sequence[Sequence[object]]) -> int:
    await connection.execute(_SQL["allow_change"].format(partition=partition))
    sealed: int = await connection.fetchval(_SQL["rewrite"].format(partition=partition), *columns)
    await connection.execute(_SQL["refuse_change"].format(partition=partition))
    return sealed


async def _asked(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        return await retried(ask, DEADLINE_SECONDS)
    except asyncpg.UndefinedTableError as problem:
        raise DatabaseNotMigrated from problem
