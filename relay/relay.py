"""One lane of the log into Kafka: the events of its partitions and their jobs in one transaction, fenced and contiguous."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Never

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from domain.log import LogRecord
from domain.ports import EventLog, PartitionDetached
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.producer import Compression, Connect, TransactionalProducer
from infrastructure.kafka.tail import Tails
from infrastructure.waiting import Wait
from relay.clear_events import AskKept, InTheClear, kept_none, require_sealed
from relay.kafka_state import (
    HangingTransaction,
    LogBehindKafka,
    LogDiverged,
    Refused,
    require_ends_after,
)
from relay.lanes import Lane, earlier_transactional_id_of, transactional_id_of
from relay.limits import Limits
from relay.looks import Looks
from relay.messages import checkpoint_of, within_bytes
from relay.place import LogGap, Place
from relay.reading_ahead import ReadingAhead
from relay.transactions import Following, Transactions
from schemas.topics import Topics

logger = logging.getLogger(__name__)

Tell = Callable[[int, Exception | None], None]
"""Is told which partition of the lane stands still and why: Refused for good, else until it is told None."""


def _tell_nobody(_partition: int, _why: Exception | None) -> None:
    """For who looks at the end alone."""


class LaneRelay:
    """Relays some partitions; another relay of the same lane and prefix fences this one."""

    def __init__(
        self,
        lane: Lane,
        log: EventLog,
        brokers: Brokers,
        topics: Topics,
        *,
        tell: Tell = _tell_nobody,
        kept: AskKept = kept_none,
        limits: Limits | None = None,
        compression: Compression = "none",
        connect: Connect = AIOKafkaProducer,
    ) -> None:
        self._lane = lane
        self._places = [Place(partition) for partition in lane]
        self._log = log
        self._brokers = brokers
        self._topics = topics
        self._tell = tell
        self._kept = kept
        self._limits = limits or Limits()
        self._compression = compression
        self._connect = connect
        self._transactions = Transactions(self._places, topics, log.partition_count, self._limits)
        self._failures = 0
        self._transactions_seen = 0
        self._needs = Wait(f"what the relay of {self} needs")
        self._check_at = 0.0
        self._is_alone = False
        """Whether relays of before 2026-12 have been fenced."""
        self.restarts = 0

    def __str__(self) -> str:
        return (
            f"partitions {self._lane[0]} to {self._lane[-1]}"
            if self._lane[1:]
            else f"partition {self._lane[0]}"
        )

    @property
    def positions(self) -> Mapping[int, int]:
        """By partition, the seq of the last event that is known to be in Kafka, where one is."""
        return {place.partition: place.seq for place in self._places if place.seq}

    @property
    def transactions(self) -> int:
        return self._transactions.count

    @property
    def events_relayed(self) -> int:
        return self._transactions.events

    async def run(self) -> Never:
        """Until cancelled. Raises ProducerFenced when another relay took over, and Refused when that was the last partition.

        After anything else that fails it starts over with a new producer: only what Kafka holds then tells
        whether an unanswered commit took place.
        """
        try:
            while True:
                try:
                    await self._relay()
                except (ProducerFenced, Refused):
                    raise
                except Exception as problem:  # noqa: BLE001 - the reason is above
                    await self._back_off(problem)
        finally:
            self._log_end()

    async def _relay(self) -> Never:
        if not self._is_alone:
            await self._fence_earlier()
        for place in self._places:
            place.is_known = False
        async with (
            self._producer(transactional_id_of(self._lane, self._topics)) as producer,
            Tails(self._brokers) as tails,
            Looks(self._log, self._topics, tails, self._limits.settle_seconds) as looks,
            ReadingAhead(self._log, self._limits.records_max) as ahead,
        ):
            while True:
                await self._look(looks, producer)
                following = await self._following(ahead)
                if not await self._send(following, producer, ahead):
                    await self._wait(tails)
                if not any(place.failures or place.retries for place in self._places):
                    self._needs.is_over()

    def _producer(self, transactional_id: str) -> TransactionalProducer:
        return TransactionalProducer(
            self._brokers, transactional_id, compression=self._compression, connect=self._connect
        )

    async def _fence_earlier(self) -> None:
        """A relay of before 2026-12 may have been frozen, and thaw: it goes by an id for each partition."""

        async def fence(partition: int) -> None:
            async with self._producer(earlier_transactional_id_of(partition, self._topics)):
                """To have started is enough."""

        async with asyncio.TaskGroup() as tasks:
            for partition in self._lane:
                tasks.create_task(fence(partition))
        self._is_alone = True

    async def _look(self, looks: Looks, producer: TransactionalProducer) -> None:
        """At the partitions in Kafka of which it is not known where they stand."""
        looks.begin([place for place in self._due() if not place.is_known])
        # At the start all are waited for; one that takes its time later keeps no other waiting.
        is_start = not any(place.is_known for place in self._places)
        for place, problem in await looks.ended(self._limits.settle_seconds if is_start else 0.0):
            if isinstance(problem, HangingTransaction):
                await self._end(place, problem, producer)
            if problem is not None:
                self._stop(place, problem, is_last=not looks.are_pending)

    async def _end(
        self, place: Place, problem: HangingTransaction, producer: TransactionalProducer
    ) -> None:
        """Whoever left it open, a relay of this kind or one of before 2026-12."""
        logger.warning("Kafka lost the end of a transaction in %s: ending it", problem)
        # Whoever reads what is not committed has seen the first event, or has to see it next.
        first = await self._log.read(place.partition, 0, 1)
        now = asyncio.get_running_loop().time()
        messages = list(self._transactions.messages_of(place, first, now))
        messages.append(checkpoint_of(place.partition, 0, self._topics))
        await producer.end_hanging(messages)
        async with self._producer(earlier_transactional_id_of(place.partition, self._topics)) as earlier:
            await earlier.end_hanging(messages)

    def _due(self) -> Sequence[Place]:
        now = asyncio.get_running_loop().time()
        return [place for place in self._places if place.not_before <= now]

    def _stop(self, place: Place, problem: Exception, *, is_last: bool = True) -> None:
        """For good where log and Kafka contradict each other, else for a while. Raises where no other gets on."""
        if isinstance(problem, Refused):
            self._places.remove(place)
            self._tell(place.partition, problem)
            if not self._places:
                raise problem
            return
        if isinstance(problem, InTheClear):  # Somebody has to do something about it, and so has to see it.
            place.is_waiting = True
            self._tell(place.partition, problem)
        place.put_off(asyncio.get_running_loop().time() + self._limits.pause_seconds(place.retries))
        self._needs.goes_on(f"partition {place.partition}: {problem!r}")
        if is_last and not any(each.is_known for each in self._places):
            raise problem

    def _go_on(self, place: Place) -> None:
        if place.is_waiting:
            place.is_waiting = False
            self._tell(place.partition, None)

    async def _following(self, ahead: ReadingAhead) -> Following:
        """What comes after the last event of each partition, which is read as well: is it still the same?"""
        known = [place for place in self._due() if place.is_known]
        try:
            read = await ahead.read({place.partition: place.seq - place.overlap for place in known})
        except PartitionDetached as problem:
            for place in known:
                if place.partition in problem.partitions:
                    self._stop(place, problem)
            return []  # The others follow at the next turn.
        following = []
        for place in known:
            records = read.get(place.partition, ())
            try:
                await self._require_same_log(place, records)
                await require_sealed(records, self._kept)
            except (Refused, LogGap, InTheClear) as problem:
                self._stop(place, problem)
            else:
                self._go_on(place)
                following.append((place, records[place.overlap :][: self._limits.records_max]))
        return following

    async def _require_same_log(self, place: Place, read: Sequence[LogRecord]) -> None:
        """A failover may take back what was committed, and the log then goes on otherwise, under the same numbers."""
        place.require_contiguous(read)
        if not place.overlap:
            return
        if not read:
            raise LogBehindKafka(place.partition, place.seq, await self._log.head(place.partition))
        if place.event_id is None:
            place.event_id = read[0].event_id
        if read[0].event_id != place.event_id:
            raise LogDiverged(place.partition, place.seq)

    async def _send(
        self, following: Following, producer: TransactionalProducer, ahead: ReadingAhead
    ) -> bool:
        """Whether there is more in the log than was sent."""
        full = sum(bool(records) for _, records in following)
        bytes_max = self._limits.bytes_max // max(1, full)
        work = [(place, within_bytes(records, bytes_max)) for place, records in following]
        is_behind = any(
            len(sent) < len(read) or len(read) >= self._limits.records_max
            for (_, sent), (_, read) in zip(work, following, strict=True)
        )
        if is_behind:
            ahead.begin({place.partition: max(0, place.seq_after(records) - 1) for place, records in work})
        await self._transactions.send(work, producer)
        return is_behind

    async def _wait(self, tails: Tails) -> None:
        now = asyncio.get_running_loop().time()
        held_back = [place.not_before - now for place in self._places if place.not_before > now]
        await self._log.wait_for_append(self._lane, min([self._limits.poll_seconds, *held_back]))
        if now >= self._check_at:
            self._check_at = now + self._limits.check_seconds
            offsets = {place.partition: place.offset for place in self._places if place.is_known}
            await require_ends_after(tails, self._topics, offsets)

    async def _back_off(self, problem: Exception) -> None:
        if self.transactions > self._transactions_seen:
            self._failures, self._transactions_seen = 0, self.transactions
        pause_seconds = self._limits.pause_seconds(self._failures)
        self.restarts += 1
        self._failures += 1
        self._needs.goes_on(repr(problem))
        logger.debug("relay of %s starts over in %.1f s", self, pause_seconds)
        await asyncio.sleep(pause_seconds)

    def _log_end(self) -> None:
        logger.info(
            "relay of %s ends: %d events in %d transactions, %d restarts",
            self,
            self.events_relayed,
            self.transactions,
            self.restarts,
        )
