"""Keeps the topic of facts up to date with the log: exactly once, and from any state that the topic is in.

The last fact of a partition says how far that is told, so that nothing else has to be written down, and a topic that was removed is filled anew.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Never, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.structs import RecordMetadata, TopicPartition
from msgspec import Struct

from domain.log import LogRecord
from domain.ports import EventLog, PartitionDetached
from infrastructure.kafka.batches import Message
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.producer import Connect, TransactionalProducer
from infrastructure.kafka.tail import Tails
from infrastructure.waiting import Wait
from relay.fold import Fold
from relay.kafka_state import KafkaWentBack, Sent
from relay.lanes import Lane
from schemas.topics import Topics, UnreadableMessage, place_of

logger: Final = logging.getLogger(__name__)


class Pace(Struct, frozen=True, kw_only=True):
    """How much at once, and how long to wait."""

    records_max: int = 2_000
    """Of one partition."""
    pause_seconds: float = 0.2
    """After each transaction, so that many changes go into the next one."""
    poll_seconds: float = 10.0
    """How long an append may go unnoticed when its notification is lost."""
    check_seconds: float = 60.0
    """How often an idle one looks whether Kafka still has what it had."""
    backoff_seconds_max: float = 30.0

    def backoff_seconds(self, failures: int) -> float:
        return min(0.2 * 2.0 ** min(failures, 10), self.backoff_seconds_max)


class Earlier(Protocol):
    """What happened in streams before, of which the log is read from somewhere in the middle."""

    async def read(self, partition: int, versions: Mapping[str, int]) -> Sequence[LogRecord]:
        """The events of each stream before this version, in order."""
        ...


class FactsDiverged(Exception):
    def __init__(self, topic: str, partition: int, seq: int) -> None:
        super().__init__(
            f"partition {partition} of {topic} tells of an event {seq} that the log does not have: is this the right Kafka for this "
            "database, or was the log restored from a backup? Then delete that topic; it is made and filled again"
        )


class LaneFacts:
    """Of some partitions, in one transaction at a time; another one of the same lane and prefix fences this one."""

    def __init__(
        self,
        lane: Lane,
        log: EventLog,
        earlier: Earlier,
        brokers: Brokers,
        topics: Topics,
        *,
        pace: Pace | None = None,
        connect: Connect = AIOKafkaProducer,
    ) -> None:
        self._lane = lane
        self._log = log
        self._earlier = earlier
        self._brokers = brokers
        self._topics = topics
        self._pace = pace or Pace()
        self._connect = connect
        self._needs = Wait(f"what the facts of partitions {lane[0]} to {lane[-1]} need")
        self._folds: dict[int, Fold] = {}
        self._offsets: dict[int, int] = {}
        self._check_at = 0.0

    async def run(self) -> Never:
        """Until cancelled. Raises ProducerFenced when another took over; after all else that fails it looks at Kafka anew."""
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._follow()
            except ProducerFenced:
                raise
            except Exception as problem:  # noqa: BLE001 - what is in Kafka then tells where to go on
                is_new = asyncio.get_running_loop().time() - began > self._pace.backoff_seconds_max
                failures = 0 if is_new else failures + 1
                self._needs.goes_on(repr(problem))
                await asyncio.sleep(self._pace.backoff_seconds(failures))

    async def _follow(self) -> Never:
        transactional_id = f"{self._topics.prefix}-facts-{self._lane[0]}-to-{self._lane[-1]}"
        async with TransactionalProducer(
            self._brokers, transactional_id, connect=self._connect
        ) as producer:
            await self._resume(producer)
            while True:
                has_moved = await self._tell(producer)
                if all(fold.problem is None for fold in self._folds.values()):
                    self._needs.is_over()
                if has_moved:
                    await asyncio.sleep(self._pace.pause_seconds)
                else:
                    await self._wait()

    async def _resume(self, producer: TransactionalProducer) -> None:
        """Sound only after earlier producers were fenced."""
        async with Tails(self._brokers) as tails:
            for partition in self._lane:
                last = await self._last(partition, tails, producer)
                if last is not None:
                    await self._require_same_log(partition, last)
                self._offsets[partition] = last.offset if last else -1
                self._folds[partition] = Fold(self._topics, partition, last.seq if last else 0)
        self._check_at = asyncio.get_running_loop().time() + self._pace.check_seconds

    async def _last(self, partition: int, tails: Tails, producer: TransactionalProducer) -> Sent | None:
        where = TopicPartition(self._topics.facts, partition)
        try:
            return (await tails.last(where, _sent)).content
        except TimeoutError:
            if await tails.held_up(where):  # Kafka lost the end of a transaction of ours.
                await producer.end_hanging([Message(self._topics.facts, partition, b"", None, [])])
            raise

    async def _require_same_log(self, partition: int, last: Sent) -> None:
        stored = await self._log.read(partition, last.seq - 1, 1)
        if not stored or stored[0].event_id != last.event_id:
            raise FactsDiverged(self._topics.facts, partition, last.seq)

    async def _tell(self, producer: TransactionalProducer) -> bool:
        """What follows in the log. Whether anything did."""
        read = await self._read({each: fold.seq for each, fold in self._folds.items()})
        told = {partition: await self._fold(partition, records) for partition, records in read.items()}
        if any(told.values()):
            sent = await producer.transact(told.values(), self._require_forward)
            self._note(sent)
        for partition in told:
            self._folds[partition].settle()
        return any(self._folds[partition].has_moved for partition in told)

    async def _read(self, after: Mapping[int, int]) -> Mapping[int, Sequence[LogRecord]]:
        try:
            return await self._log.read_each(after, self._pace.records_max)
        except PartitionDetached as problem:
            here = {each: seq for each, seq in after.items() if each not in problem.partitions}
            return await self._log.read_each(here, self._pace.records_max) if here else {}

    async def _fold(self, partition: int, records: Sequence[LogRecord]) -> Sequence[Message]:
        fold = self._folds[partition]
        if missing := fold.missing(records):
            fold.learn(await self._earlier.read(partition, missing))
        messages = fold.messages(records)
        if fold.problem is not None:
            self._needs.goes_on(f"partition {partition}: {fold.problem}")
        return messages

    def _require_forward(self, sent: Iterable[RecordMetadata]) -> None:
        """Before the commit: a topic that was made anew has to be filled from the beginning."""
        for each in sent:
            if each.offset <= self._offsets[each.partition]:
                raise KafkaWentBack(f"facts of partition {each.partition} came to lie at {each.offset}")

    def _note(self, sent: Iterable[RecordMetadata]) -> None:
        for each in sent:
            self._offsets[each.partition] = max(each.offset, self._offsets[each.partition])

    async def _wait(self) -> None:
        await self._log.wait_for_append(self._lane, self._pace.poll_seconds)
        if (now := asyncio.get_running_loop().time()) >= self._check_at:
            self._check_at = now + self._pace.check_seconds
            await self._require_still_there()

    async def _require_still_there(self) -> None:
        """Raises KafkaWentBack when the topic was made anew, or has lost its end."""
        async with Tails(self._brokers) as tails:
            ends = await tails.ends(*(TopicPartition(self._topics.facts, each) for each in self._lane))
        for where, end in ends.items():
            if end <= self._offsets[where.partition]:
                raise KafkaWentBack(
                    f"{where} ended after {self._offsets[where.partition]} and ends at {end} now"
                )


def _sent(message: ConsumedMessage) -> Sent | None:
    """Also of one without a value: it tells that a transcription is deleted."""
    try:
        seq, event_id = place_of(message.headers)
    except UnreadableMessage:
        return None
    return Sent(seq, event_id, message.offset) if seq > 0 else None
