"""A batch onto rows that were kept from the batches before it: one round trip, as long as nobody else wrote meanwhile."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.events import Event
from domain.log import Address
from infrastructure.postgres.errors import OUTAGES
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections.batches import Batch, describe
from projections.checkpoints import Checkpoint, Checkpoints
from projections.kept_rows import KeptRows
from projections.projection import Projection, as_json, versions_of
from projections.reading import Reading
from schemas.events import REGISTRY

KEPT_ROWS_MAX: Final = 10_000
"""Of each read model: some 25 MB in all."""

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

log: Final = logging.getLogger(__name__)

Rows = dict[UUID, Struct]


class Target(NamedTuple):
    """A read model that wants an event, by its place among all of them, and which of its rows the event touches."""

    place: int
    key_of: Callable[[Any], UUID]


class InHand:
    """The rows that were folded last, of projections that stand side by side.

    A kept row is the one in the table because its partition's checkpoint is as we read or left it: whoever writes
    rows renews its stamp, and what we write is guarded by the stamps. A row's events lie in one partition.
    """

    def __init__(
        self,
        projections: Sequence[Projection[Any]],
        reading: Reading,
        channel: str | None = None,
        rows_max: int = KEPT_ROWS_MAX,
    ) -> None:
        self._projections = projections
        self._reading = reading
        self._known = versions_of(projections)
        self._channel = channel
        self._may_keep = all(projection.keeps_rows for projection in projections)
        self._kept = [KeptRows[Struct](rows_max) for _ in projections]
        self._decoders = [msgspec.json.Decoder(list[projection.row]) for projection in projections]  # type: ignore[name-defined]  # a type only the projection knows
        self._targets = _targets(projections)
        self._load_sql = _load_sql(projections)
        self._write_sql = _write_sql(projections)

    def forget(self) -> None:
        for kept in self._kept:
            kept.forget()

    async def apply(
        self, connection: Connection, reached: Checkpoints, batch: Batch
    ) -> dict[int, Checkpoint] | None:
        """Folds and commits the batch; answers None, with nothing written, when that takes the way step by step.

        Then, and after an outage, nothing is kept any more.
        """
        after = None
        try:
            if all(self._is_in_hand(reached[partition]) for partition in batch):
                after = await self._apply(connection, reached, batch)
        except Exception as problem:
            if isinstance(problem, OUTAGES):
                raise
            log.warning("%s: the batch is applied step by step, to find the event", describe(problem))
        finally:
            if after is None:
                self.forget()
        return after

    def _is_in_hand(self, place: Checkpoint) -> bool:
        """Whether one stamp stands for all projections there, none of which is ahead or still catching up."""
        return (
            self._may_keep
            and place.stamp is not None
            and place.seqs.keys() == self._known.keys()
            and len(set(place.seqs.values())) == 1
        )

    async def _apply(
        self, connection: Connection, reached: Checkpoints, batch: Batch
    ) -> dict[int, Checkpoint] | None:
        touched = await self._touched(batch)
        before = await self._rows_before(connection, touched)
        rows = [_fold(*each) for each in zip(self._projections, touched, before, strict=True)]
        if any(old.keys() - new.keys() for old, new in zip(before, rows, strict=True)):
            return None  # Rows go, which is rare, and needs a statement of its own.
        after = {
            partition: reached[partition].advanced(part.last_seq, part.next_offset)
            for partition, part in batch.items()
        }
        if not await self._write(connection, reached, after, rows):
            return None
        for kept, new in zip(self._kept, rows, strict=True):
            kept.keep(new)
        return after

    async def _touched(self, batch: Batch) -> list[dict[UUID, list[Event]]]:
        """For each projection the events of each row; every event is decoded once, if anybody wants it."""
        touched: list[dict[UUID, list[Event]]] = [defaultdict(list) for _ in self._projections]
        records = [record for part in batch.values() for record in part.records]
        wanted = [each for each in records if self._targets[each.type, each.schema_version]]
        decode = await self._reading.prepared(wanted)
        for record in wanted:
            event = decode(record)
            for place, key_of in self._targets[record.type, record.schema_version]:
                touched[place][key_of(event)].append(event)
        return touched

    async def _rows_before(
        self, connection: Connection, touched: Sequence[Mapping[UUID, object]]
    ) -> list[Rows]:
        """What is not kept is loaded, of all read models in one query."""
        before = [kept.take(keys) for kept, keys in zip(self._kept, touched, strict=True)]
        missing = [list(keys - rows.keys()) for keys, rows in zip(map(set, touched), before, strict=True)]
        if any(missing):
            loaded = await connection.fetchrow(self._load_sql, *missing)
            assert loaded is not None
            for rows, decoder, found in zip(before, self._decoders, loaded, strict=True):
                rows.update(_by_key(decoder.decode(found)) if found else {})
        return before

    async def _write(
        self,
        connection: Connection,
        before: Checkpoints,
        after: Checkpoints,
        rows: Sequence[Rows],
    ) -> bool:
        """Whether the checkpoints were as we left them; else nothing is written."""
        moves = [
            (partition, *_guard(before[partition]), place.position.seq, place.next_offset, place.stamp)
            for partition, place in after.items()
        ]
        told = [str(Address(partition, place.position.seq)) for partition, place in after.items()]
        written = await connection.fetchval(
            self._write_sql,
            list(self._known),
            list(self._known.values()),
            *zip(*moves, strict=True),
            self._channel,
            told if self._channel else [],
            *(as_json(list(new.values())) for new in rows),
        )
        assert isinstance(written, bool)
        return written


def _guard(place: Checkpoint) -> tuple[int, UUID | None]:
    return place.position.seq, place.stamp


def _fold(
    projection: Projection[Any], touched: Mapping[UUID, Sequence[Event]], before: Mapping[UUID, Struct]
) -> Rows:
    """The rows that are there afterwards."""
    after = ((key, reduce(projection.project, news, before.get(key))) for key, news in touched.items())
    return {key: row for key, row in after if row is not None}


def _by_key(rows: Sequence[Struct]) -> Rows:
    """The first field is the key."""
    return {getattr(row, row.__struct_fields__[0]): row for row in rows}


def _targets(projections: Sequence[Projection[Any]]) -> dict[tuple[str, int], list[Target]]:
    """For every event there is, also those that nobody wants."""
    return {
        (name.name, name.schema_version): [
            Target(place, projection.keys[kind])
            for place, projection in enumerate(projections)
            if kind in projection.keys
        ]
        for name, kind in REGISTRY.items()
    }


def _load_sql(projections: Sequence[Projection[Any]]) -> str:
    loads = [
        SQL["loaded"].format(load=_with_argument(projection.queries["load"], f"${number}"))
        for number, projection in enumerate(projections, start=1)
    ]
    return SQL["load"].format(loads=",\n".join(loads))


def _write_sql(projections: Sequence[Projection[Any]]) -> str:
    """No rows are stored where nothing is proven."""
    stores = []
    for number, projection in enumerate(projections, start=11):
        rows = SQL["proven_rows"].format(argument=f"${number}")
        store = _with_argument(projection.queries["store"], rows)
        stores.append(SQL["stored"].format(name=projection.name, store=store))
    return SQL["write"].format(stores=",\n".join(stores))


def _with_argument(query: str, argument: str) -> str:
    """A query of one argument as part of a larger one."""
    return query.rstrip(";").replace("$1", argument)
