"""The live projector: follows the events topic and keeps the tables up to date, effect-once."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Never

import asyncpg
from msgspec import Struct

from domain.ports import EventFeed, EventLog, FeedRecord, Leases
from infrastructure.mendable import Mendable
from infrastructure.postgres.errors import OUTAGES
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.retry import is_being_cancelled
from projections import checkpoints
from projections.ahead import ReadAhead
from projections.batches import EVERY_PROJECTION, Batch, PartitionBatch, ProjectionFailed, apply_batch
from projections.catch_up import CatchUp
from projections.checkpoints import Checkpoint, CheckpointMoved
from projections.in_hand import InHand
from projections.projection import Projection, versions_of
from projections.reading import Reading

log: Final = logging.getLogger(__name__)

PROJECTED_CHANNEL: Final = "stenolog_projected"
"""PostgreSQL channel; each payload is an address `<partition>:<seq>` that every read model has reached."""
OUTAGE_PAUSE_SECONDS_MAX: Final = 5.0
RELEASE_SECONDS_MAX: Final = 2.0


class Pace(Struct, frozen=True, kw_only=True):
    """How much at once, how often, and how long to wait after trouble."""

    records_max: int = 2_000
    renew_seconds: float = 1.0
    look_seconds: float = 5.0
    """How long a crash of the database that took back our last commits may go unnoticed while nothing else comes."""
    retry_seconds_min: float = 1.0
    retry_seconds_max: float = 60.0
    catch_up_above: int = 10_000
    """How many events others may have folded before a new projection catches up beside them."""

    def retry_seconds(self, tries: int) -> float:
        return min(self.retry_seconds_max, self.retry_seconds_min * 2.0 ** min(tries - 1, 16))


class Superseded(Mendable):
    """Another version of Stenolog folds everything there."""

    def __init__(self, partitions: Sequence[int]) -> None:
        super().__init__(
            f"the read models of partitions {partitions} are all of another version: run that one's projector"
        )


class Runner:
    """Folds the partitions that its lease gives it.

    An event that cannot be folded stops its partition alone, and is tried again with a growing back-off.
    `on_applied` is called after each batch, for whoever waits in the same process. With an `event_log`, projections
    that are new catch up from it beside the others; without one, the others wait for them.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        feed: EventFeed,
        leases: Leases,
        projections: Sequence[Projection[Any]],
        reading: Reading,
        *,
        channel: str | None = None,
        pace: Pace | None = None,
        on_applied: Callable[[], None] = lambda: None,
        event_log: EventLog | None = None,
    ) -> None:
        self._pool = pool
        self._feed = ReadAhead(feed)
        self._leases = leases
        self._projections = projections
        self._known = versions_of(projections)
        self._channel = channel
        self._pace = pace or Pace()
        self._on_applied = on_applied
        self._reading = reading
        self._in_hand = InHand(projections, reading, channel)
        self._catch_up = CatchUp(pool, event_log, projections, reading, self._live_seq)
        self._catch_up_above = self._pace.catch_up_above if event_log else checkpoints.NEVER
        self._reached: dict[int, Checkpoint] = {}
        self._failed: set[int] = set()  # Partitions with a row in projection_failures.
        self._retry_at: dict[int, float] = {}  # Partitions that stand still, by monotonic clock.
        self._renew_at = self._look_at = 0.0
        self._settled = False  # Whether the feed follows what is in _reached.
        self._outages = 0

    async def run(self) -> Never:
        """Until cancelled; gives its partitions up then."""
        catching_up = asyncio.create_task(self._catch_up.run(), name="catching up")
        try:
            while True:
                if catching_up.done():
                    catching_up.result()
                try:
                    await self._turn()
                    self._outages = 0
                except Exception as problem:
                    if not isinstance(problem, OUTAGES):
                        raise
                    if is_being_cancelled():
                        raise asyncio.CancelledError from problem
                    await self._sit_out(problem)
        finally:
            catching_up.cancel()
            await asyncio.wait({catching_up}, timeout=RELEASE_SECONDS_MAX)
            await self._release()

    async def _turn(self) -> None:
        await self._share()
        await self._let_join()
        await self._resume_due()
        arrived = await self._feed.next_batch(self._patience_seconds(), self._pace.records_max)
        batch = {partition: part for partition in arrived if (part := self._fitting(partition, arrived))}
        if batch:
            await self._apply(batch)

    def _patience_seconds(self) -> float:
        until = min([self._renew_at, *self._retry_at.values()])
        return max(0.0, until - time.monotonic())

    async def _share(self) -> None:
        """Renews the lease when that is due, and follows what it gives."""
        if time.monotonic() < self._renew_at:
            return
        owned = set(await self._leases.renew())
        self._renew_at = time.monotonic() + self._pace.renew_seconds
        if owned != set(self._reached) or not self._settled:
            await self._own(owned)
        elif time.monotonic() >= self._look_at:
            await self._notice_moves()

    async def _notice_moves(self) -> None:
        """A crash of the database may take back our last commits, which did not wait for the disk, unheard by us."""
        self._look_at = time.monotonic() + self._pace.look_seconds
        async with self._pool.acquire() as connection:
            stored = await checkpoints.stored_places(connection, self._known, self._reached)
        moved = {
            partition
            for partition, place in self._reached.items()
            if partition not in stored.live or stored.live[partition].seqs != place.seqs
        }
        if moved:
            await self._catch_up_with_others(moved)

    async def _let_join(self) -> None:
        """Between two batches, so that the live projections stand still."""
        if moved := self._catch_up.take_moved() & self._reached.keys():
            await self._catch_up_with_others(moved)
        self._reached |= await self._catch_up.join(self._reached)

    def _live_seq(self, partition: int) -> int:
        return self._reached[partition].position.seq

    async def _own(self, owned: Collection[int]) -> None:
        for partition in set(self._reached) - set(owned):
            self._forget(partition)
        new = set(owned) - set(self._reached)
        await self._take_up(new)
        await self._follow()
        self._rewind(new)
        self._settled = True
        log.info("projecting partitions %s", sorted(self._reached))

    def _forget(self, partition: int) -> None:
        del self._reached[partition]
        self._in_hand.forget()
        self._catch_up.forget(partition)
        self._failed.discard(partition)
        self._retry_at.pop(partition, None)

    async def _take_up(self, partitions: Collection[int]) -> None:
        if partitions:
            self._in_hand.forget()
            async with self._pool.acquire() as connection:
                places = await checkpoints.read_checkpoints(
                    connection, self._known, partitions, self._catch_up_above
                )
                self._failed |= await checkpoints.failed_partitions(
                    connection, self._failure_names(), partitions
                )
            if superseded := sorted(set(partitions) - places.live.keys()):
                raise Superseded(superseded)
            self._reached |= places.live
            for partition in partitions:
                self._catch_up.follow(partition, places.catching_up.get(partition, {}))

    async def _follow(self) -> None:
        await self._feed.follow(
            {
                partition: place.position
                for partition, place in self._reached.items()
                if partition not in self._retry_at
            }
        )

    async def _resume_due(self) -> None:
        now = time.monotonic()
        due = [partition for partition, at in self._retry_at.items() if at <= now]
        for partition in due:
            del self._retry_at[partition]
        if due:
            await self._follow()

    def _fitting(
        self, partition: int, arrived: Mapping[int, Sequence[FeedRecord]]
    ) -> PartitionBatch | None:
        """What follows our position; a feed that left something out is sent back to it."""
        if partition not in self._reached or partition in self._retry_at:
            return None
        position = self._reached[partition].position
        news = [each for each in arrived[partition] if each.record.seq > position.seq]
        if not news:
            return None
        if news[0].record.seq != position.seq + 1:
            log.warning(
                "partition %s: expected %s, got %s", partition, position.seq + 1, news[0].record.seq
            )
            self._feed.rewind(partition, position)
            return None
        return PartitionBatch([each.record for each in news], news[-1].offset + 1)

    async def _apply(self, batch: Batch) -> bool:
        """Commits the batch, or as much of each partition as can be; whether all of it was."""
        try:
            await self._feed.during(self._commit(batch))
        except CheckpointMoved:
            await self._catch_up_with_others(batch)
            return False
        except ProjectionFailed as failure:
            return await self._narrow(batch, failure)
        return True

    async def _commit(self, batch: Batch) -> None:
        mended = self._failed.intersection(batch)
        async with self._pool.acquire() as connection:
            after = None if mended else await self._in_hand.apply(connection, self._reached, batch)
            if after is None:
                after = await self._commit_step_by_step(connection, batch, mended)
        self._reached |= after
        self._failed -= mended
        self._on_applied()

    async def _commit_step_by_step(
        self, connection: Connection, batch: Batch, mended: Collection[int]
    ) -> dict[int, Checkpoint]:
        self._in_hand.forget()
        async with connection.transaction():
            after = await apply_batch(
                connection, self._projections, self._reached, batch, self._reading, channel=self._channel
            )
            if mended:
                await checkpoints.clear_failures(connection, self._failure_names(), mended)
        return after

    async def _catch_up_with_others(self, partitions: Collection[int]) -> None:
        log.info("partitions %s were moved by somebody else, or back by a crash", sorted(partitions))
        await self._take_up(partitions)
        self._rewind(partitions)

    def _rewind(self, partitions: Collection[int]) -> None:
        """Those that stand still are not followed now, and later from where they are."""
        for partition in set(partitions) - self._retry_at.keys():
            self._feed.rewind(partition, self._reached[partition].position)

    async def _narrow(self, batch: Batch, failure: ProjectionFailed) -> bool:
        """Halves the batch until the failing event is alone, so that everything before it is committed."""
        if len(batch) > 1:
            return all([await self._apply({partition: part}) for partition, part in batch.items()])
        ((partition, part),) = batch.items()
        if len(part.records) == 1:
            await self._halt(partition, part, failure)
            return False
        middle = len(part.records) // 2
        first = PartitionBatch(part.records[:middle], self._reached[partition].next_offset)
        rest = PartitionBatch(part.records[middle:], part.next_offset)
        return await self._apply({partition: first}) and await self._apply({partition: rest})

    async def _halt(self, partition: int, part: PartitionBatch, failure: ProjectionFailed) -> None:
        record = part.records[0]
        async with self._pool.acquire() as connection:
            tries = await checkpoints.record_failure(
                connection, failure.projection, record.address, record.type, str(failure)
            )
        pause = self._pace.retry_seconds(tries)
        self._failed.add(partition)
        self._retry_at[partition] = time.monotonic() + pause
        log.error(
            "%s cannot fold event %s (%s): %s; tried %s times, again in %.0f s",
            *(failure.projection, record.address, record.type, failure, tries, pause),
        )
        await self._follow()

    def _failure_names(self) -> list[str]:
        """Of the live projections; the others see to their own."""
        return [*(set(self._known) - self._catch_up.projections), EVERY_PROJECTION]

    async def _sit_out(self, problem: Exception) -> None:
        """After an outage nobody knows what was committed, so everything is taken up anew."""
        self._outages += 1
        pause = min(self._pace.retry_seconds(self._outages), OUTAGE_PAUSE_SECONDS_MAX)
        log.warning("%s: projecting again in %.0f s", type(problem).__name__, pause)
        await asyncio.sleep(pause)
        for partition in list(self._reached):
            self._forget(partition)
        self._settled = False
        self._renew_at = 0.0

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(RELEASE_SECONDS_MAX):
                await self._leases.release()
        except OUTAGES as problem:
            log.warning("partitions not given up (%s): their lease runs out", type(problem).__name__)
