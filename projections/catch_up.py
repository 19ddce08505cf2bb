"""New projections catch up beside the live ones: from the log, in transactions of their own, and at leisure."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Never

import asyncpg

from domain.log import RecordedEvent
from domain.ports import EventLog
from infrastructure.postgres.errors import OUTAGES
from infrastructure.postgres.pool import Connection
from projections import checkpoints
from projections.batches import PartitionBatch, ProjectionFailed, apply_batch
from projections.checkpoints import Checkpoint, CheckpointMoved, Checkpoints
from projections.projection import Projection
from projections.reading import Reading

RECORDS_MAX: Final = 500
"""At once. The event loop folds the live projections, too."""
JOIN_RECORDS_MAX: Final = 1_000
"""Of what is left to fold when a projection joins the live ones, which wait for that."""
LOOK_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 5.0

log: Final = logging.getLogger(__name__)


class Place(NamedTuple):
    projection: str
    partition: int


class CatchUp:
    """Folds what it is told to until little is left, and then lets it join the live ones.

    It works half of the time at most, so that the live projections keep their pace. Without a log there is nothing
    it could fold from: then nobody is to be told to catch up.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        event_log: EventLog | None,
        projections: Sequence[Projection[Any]],
        reading: Reading,
        live_seq: Callable[[int], int],
    ) -> None:
        self._pool = pool
        self._log = event_log
        self._projections = {projection.name: projection for projection in projections}
        self._reading = reading
        self._live_seq = live_seq
        self._seqs: dict[Place, int] = {}
        self._records_max: dict[Place, int] = {}
        self._retry_at: dict[Place, float] = {}
        self._moved: set[int] = set()
        self._arrived = asyncio.Event()

    @property
    def projections(self) -> frozenset[str]:
        return frozenset(place.projection for place in self._seqs)

    def follow(self, partition: int, seqs: Mapping[str, int]) -> None:
        """From now on these projections of the partition, and no others of it."""
        self.forget(partition)
        self._seqs |= {Place(projection, partition): seq for projection, seq in seqs.items()}
        self._arrived.set()

    def forget(self, partition: int) -> None:
        for place in [each for each in self._seqs if each.partition == partition]:
            self._drop(place)

    def take_moved(self) -> set[int]:
        """Partitions in which somebody else moved a projection of ours."""
        moved, self._moved = self._moved, set()
        return moved

    async def join(self, live: Checkpoints) -> dict[int, Checkpoint]:
        """Takes those with little left among the live ones, which stand still meanwhile; answers where they are now."""
        joined: dict[int, Checkpoint] = {}
        for place in [each for each in self._seqs if self._is_ready(each)]:
            before = joined.get(place.partition, live[place.partition])
            try:
                seq = await self._fold_rest(place, before)
            except ProjectionFailed as failure:
                await self._narrow(place, self._left(place), failure)
            except CheckpointMoved:
                self._lose(place)
            else:
                self._drop(place)
                seqs = {**before.seqs, place.projection: seq}
                joined[place.partition] = Checkpoint(seqs, before.next_offset)
                log.info("%s has caught up in partition %d", *place)
        return joined

    async def run(self) -> Never:
        while True:
            if not self._seqs:
                self._arrived.clear()
                await self._arrived.wait()
            began = time.monotonic()
            worked = [await self._step(place) for place in list(self._seqs)]
            # As long as it took: the live ones have the other half.
            await asyncio.sleep(time.monotonic() - began if any(worked) else LOOK_SECONDS)

    def _left(self, place: Place) -> int:
        return self._live_seq(place.partition) - self._seqs[place]

    def _is_narrowing(self, place: Place) -> bool:
        return self._records_max.get(place, RECORDS_MAX) < RECORDS_MAX

    def _is_ready(self, place: Place) -> bool:
        """So little is left that the live ones can wait for it; one event is always left, to see where they are."""
        left_max = 1 if self._is_narrowing(place) else JOIN_RECORDS_MAX
        return place not in self._retry_at and self._left(place) <= left_max

    async def _step(self, place: Place) -> bool:
        """Whether there was something to do."""
        if place not in self._seqs or self._retry_at.get(place, 0) > time.monotonic():
            return False
        self._retry_at.pop(place, None)
        if self._is_ready(place):
            return False
        count = min(self._records_max.get(place, RECORDS_MAX), self._left(place) - 1)
        try:
            await self._fold(place, count)
        except ProjectionFailed as failure:
            await self._narrow(place, count, failure)
        except CheckpointMoved:
            self._lose(place)
        except OUTAGES as problem:
            log.warning("%s: catching up again in %.0f s", type(problem).__name__, RETRY_SECONDS)
            self._retry_later(place)
        return True

    async def _fold(self, place: Place, count: int) -> None:
        """Raises CheckpointMoved or ProjectionFailed."""
        seq = self._seqs[place]
        records = await self._read(place.partition, seq, count)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._apply(connection, place, records)
        if self._seqs.get(place) == seq:
            self._seqs[place] = records[-1].seq
            self._records_max[place] = min(2 * count, RECORDS_MAX)

    async def _fold_rest(self, place: Place, live: Checkpoint) -> int:
        """Up to the live ones, and marks it as one of them. Raises CheckpointMoved or ProjectionFailed."""
        seq = self._seqs[place]
        records = await self._read(place.partition, seq, max(0, live.position.seq - seq))
        async with self._pool.acquire() as connection, connection.transaction():
            await self._apply(connection, place, records)
            seq = records[-1].seq if records else seq
            known = place.projection, self._projections[place.projection].version
            await checkpoints.caught_up(connection, known, place.partition, seq, live.next_offset)
        return seq

    async def _apply(self, connection: Connection, place: Place, records: Sequence[RecordedEvent]) -> None:
        if records:
            reached = {place.partition: Checkpoint({place.projection: self._seqs[place]})}
            batch = {place.partition: PartitionBatch(records)}
            projections = [self._projections[place.projection]]
            await apply_batch(connection, projections, reached, batch, self._reading)
        await checkpoints.clear_failures(connection, [place.projection], [place.partition])

    async def _read(self, partition: int, after_seq: int, count: int) -> Sequence[RecordedEvent]:
        """Exactly so many: the live ones have folded them. Raises CheckpointMoved where the log was replaced."""
        assert self._log is not None, "nobody is to catch up without a log"
        records: list[RecordedEvent] = []
        while len(records) < count:  # A log gives only so many bytes at once.
            more = await self._log.read(partition, after_seq + len(records), count - len(records))
            if not more:
                raise CheckpointMoved
            records += more
        return records

    async def _narrow(self, place: Place, count: int, failure: ProjectionFailed) -> None:
        """Halves what is folded at once until the failing event is alone; it stops this projection, and no other."""
        if count > 1:
            self._records_max[place] = count // 2
            return
        [record] = await self._read(place.partition, self._seqs[place], 1)
        async with self._pool.acquire() as connection:
            await checkpoints.record_failure(
                connection, place.projection, record.address, record.type, str(failure)
            )
        log.error(
            "%s cannot fold event %s while it catches up: %s", place.projection, record.address, failure
        )
        self._retry_later(place)

    def _lose(self, place: Place) -> None:
        self._moved.add(place.partition)
        self._retry_later(place)

    def _retry_later(self, place: Place) -> None:
        if place in self._seqs:
            self._retry_at[place] = time.monotonic() + RETRY_SECONDS

    def _drop(self, place: Place) -> None:
        del self._seqs[place]
        self._records_max.pop(place, None)
        self._retry_at.pop(place, None)
