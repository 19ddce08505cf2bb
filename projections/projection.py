"""What a read model is: one table whose rows are folded, each from the events with its key."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.events import Event
from infrastructure.postgres.pool import Connection

Row = TypeVar("Row", bound=Struct)


@dataclass(frozen=True, slots=True)
class Projection(Generic[Row]):
    """One table, called `name`, and the fold that fills it.

    `keys` names the events that matter and the row each one touches; the first field of `row` is that key.
    `queries` has the table's SQL: create, load with the fields of `row` in their order, store, which takes rows as one
    JSON array of objects, and remove. Each of the last three has one argument.
    """

    name: str
    row: type[Row]
    keys: Mapping[type[Event], Callable[[Any], UUID]]
    project: Callable[[Row | None, Event], Row | None]
    queries: Mapping[str, str]
    version: int = 1
    """Of its columns and of what is folded into them. The migration to a higher one builds a new table beside the old
    and switches to it; from then on a projector of the older version leaves it alone."""
    keeps_rows: bool = True
    """Whether a projector may keep rows in memory: not where `store` and `remove` do more than write the row."""


def versions_of(projections: Iterable[Projection[Any]]) -> dict[str, int]:
    """By name."""
    return {projection.name: projection.version for projection in projections}


async def fold_into(connection: Connection, projection: Projection[Row], events: Iterable[Event]) -> None:
    """Brings the rows these events touch up to date: two statements however many events there are."""
    touched = _by_key(projection, events)
    if not touched:
        return
    before = await _load(connection, projection, list(touched))
    after = {key: reduce(projection.project, news, before.get(key)) for key, news in touched.items()}
    await _store(connection, projection, [row for row in after.values() if row is not None])
    await _remove(connection, projection, [key for key in before if after[key] is None])


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot hold: one odd name must not stop a partition."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def as_json(rows: Sequence[Struct]) -> str:
    """All rows as one argument: asyncpg takes four times as long to encode them as an array for each column."""
    return msgspec.json.encode(rows).decode()


def _by_key(projection: Projection[Row], events: Iterable[Event]) -> dict[UUID, list[Event]]:
    touched: dict[UUID, list[Event]] = defaultdict(list)
    for event in events:
        key_of = projection.keys.get(type(event))
        if key_of is not None:
            touched[key_of(event)].append(event)
    return touched


async def _load(
    connection: Connection, projection: Projection[Row], keys: Sequence[UUID]
) -> dict[UUID, Row]:
    records = await connection.fetch(projection.queries["load"], keys)
    return {record[0]: projection.row(*record) for record in records}


async def _store(connection: Connection, projection: Projection[Row], rows: Sequence[Row]) -> None:
    if rows:
        await connection.execute(projection.queries["store"], as_json(rows))


async def _remove(connection: Connection, projection: Projection[Row], keys: Sequence[UUID]) -> None:
    if keys:
        await connection.execute(projection.queries["remove"], keys)
