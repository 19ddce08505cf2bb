"""Reading partitions of a topic without a consumer group, through broker restarts, lost topics and damaged files."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException, UnknownTopicOrPartitionError
from aiokafka.structs import TopicPartition

from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import (
    CONNECT_SECONDS,
    FETCH_WAIT_MS,
    ConsumedMessage,
    close_consumer,
    new_consumer,
    start_consumer,
)
from infrastructure.kafka.continuity import Continuity, PartitionChanged
from infrastructure.kafka.ends import Ends, EndsNowAndThen
from infrastructure.kafka.failures import (
    KAFKA_FAILURES,
    KafkaUnreachable,
    PartitionDamaged,
    StuckConsumer,
)
from infrastructure.kafka.one_by_one import sweep
from infrastructure.waiting import Wait

logger = logging.getLogger(__name__)

REACH_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 5.0
"""How often it is asked of a partition that gives nothing whether there is nothing."""
FETCHES_PER_CHECK: Final = 2
"""So many requests that find nothing, at least: what a check asks for again has come before the next one."""
STUCK_MAX: Final = 3
"""After so many consumers got nothing at the same place it is damaged; one or two may have had bad luck."""
POLL_SECONDS: Final = 0.02

Messages = Mapping[int, Sequence[ConsumedMessage]]
"""By partition."""


class PartitionReader:
    """Messages of chosen partitions, in order. A consumer that fails is replaced where it stood.

    Those of open and aborted transactions are among them. That is no harm: what a relay sends is in the log
    already, so a transaction that fails only means that the same events come again, and `seq` tells that. It
    is even good: nobody waits for the transaction of a dead relay to expire.

    When Kafka has less than was read already, or no longer what was read last (see Continuity), reading starts
    at the beginning of that partition again: who reads has to know what it has seen.
    """

    def __init__(self, brokers: Brokers, topic: str, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._brokers = brokers
        self._fetch_wait_ms = max(FETCH_WAIT_MS, int(check_seconds * 1000 / FETCHES_PER_CHECK))
        self._topic = topic
        self._places: dict[int, Continuity] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._kafka = Wait(f"{topic} at {brokers}")
        self._silent: dict[int, Wait] = {}
        """The partitions that have messages and do not give them."""
        self._ends: Ends = {}
        self._checks = EndsNowAndThen(check_seconds)
        self._is_outdated = False
        """Whether the consumer has asked for what is not wanted any more, and would wait for that."""
        self._heard: set[int] = set()
        """The partitions from which something came since the last check."""
        self._stuck: dict[int, list[int]] = {}
        """The offsets at which nothing came from consumers that then were replaced, by partition."""
        self._one_by_one = False
        self._damage: PartitionDamaged | None = None

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Reads exactly these partitions from now on, each from its offset; 0 is the beginning."""
        before = self._places
        self._places = {partition: Continuity(offset) for partition, offset in offsets.items()}
        for partition in before.keys() & offsets.keys():
            if before[partition].next_offset == offsets[partition]:
                self._places[partition] = before[partition]
        self._forget_damage()
        if before:
            self._is_outdated = self._consumer is not None
        elif self._consumer is not None:
            self._place(self._consumer)

    def seek(self, partition: int, offset: int) -> None:
        self._forget_damage()  # Where it is met again it is found again.
        self._places[partition].go_to(offset)
        self._is_outdated = self._consumer is not None

    def next_offset(self, partition: int) -> int:
        return self._places[partition].next_offset

    async def read(self, timeout_seconds: float, records_max: int) -> Messages:
        """The next messages by partition; empty at the timeout, or soon after something failed.

        While Kafka is away it returns nothing, having waited. Raises PartitionDamaged again and again, until that
        partition is sought elsewhere or no longer assigned.
        """
        if not self._places:
            await self.close()
            await asyncio.sleep(timeout_seconds)
            return {}
        try:
            return await self._read(timeout_seconds, records_max)
        except StuckConsumer as problem:
            self._partition(problem.partition).goes_on(problem)
            await self.close()
            stuck = self._stuck.setdefault(problem.partition, [])
            stuck.append(problem.offset)
            del stuck[:-STUCK_MAX]
            if stuck == [problem.offset] * STUCK_MAX:
                stuck.clear()
                raise PartitionDamaged(
                    self._topic, problem.partition, problem.offset, "nothing comes"
                ) from problem
        except KAFKA_FAILURES as problem:
            self._kafka.goes_on(repr(problem))
            await self.close()
            await asyncio.sleep(RETRY_SECONDS)
        return {}

    async def read_past_damage(self, timeout_seconds: float, records_max: int) -> Messages:
        """As `read`, but goes on behind what is damaged; what lies there is lost to this reader."""
        try:
            return await self.read(timeout_seconds, records_max)
        except PartitionDamaged as damage:
            self._partition(damage.partition).goes_on(f"{damage}, passing by it")
            with contextlib.suppress(KafkaUnreachable):  # Then the damage is found again.
                self.seek(damage.partition, (await self.ends([damage.partition]))[damage.partition])
        return {}

    async def ends(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """The offset that the next message of each partition will get. Raises KafkaUnreachable."""
        consumer = await self._reach()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                ends = await consumer.end_offsets(
                    [TopicPartition(self._topic, each) for each in partitions]
                )
        except KAFKA_FAILURES as problem:
            await self.close()
            raise KafkaUnreachable(f"{self._topic}: {problem!r}") from problem
        return {where.partition: offset for where, offset in ends.items()}

    async def close(self) -> None:
        self._forget_damage()
        self._checks.stop()
        self._is_outdated = False
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_consumer(consumer)

    def _forget_damage(self) -> None:
        self._one_by_one, self._damage = False, None

    def _partition(self, partition: int) -> Wait:
        return self._silent.setdefault(partition, Wait(f"{self._topic}-{partition}"))

    async def _read(self, timeout_seconds: float, records_max: int) -> Messages:
        consumer = await self._connected()
        fetched = await self._fetched(consumer, timeout_seconds, records_max)
        self._kafka.is_over()
        self._heard |= {where.partition for where in fetched}
        if timeout_seconds > 0:  # Who does not wait learns nothing from silence.
            # Before anything counts as read: where this raises, what has come meanwhile is to come again.
            await self._require_alive(consumer)
        news = {where.partition: self._news(where, each) for where, each in fetched.items()}
        return {partition: messages for partition, messages in news.items() if messages}

    async def _fetched(
        self, consumer: AIOKafkaConsumer, timeout_seconds: float, records_max: int
    ) -> Mapping[TopicPartition, Sequence[ConsumedMessage]]:
        if not self._one_by_one:
            timeout_ms = int(timeout_seconds * 1000)
            try:
                fetched = await consumer.getmany(timeout_ms=timeout_ms, max_records=records_max)
            except CorruptRecordException:
                self._one_by_one = True
                self._place(consumer)
            else:
                return fetched  # type: ignore[no-any-return]  # aiokafka says nothing of its types
        return await self._fetched_one_by_one(consumer, timeout_seconds, records_max)

    async def _fetched_one_by_one(
        self, consumer: AIOKafkaConsumer, timeout_seconds: float, records_max: int
    ) -> Mapping[TopicPartition, Sequence[ConsumedMessage]]:
        """What lies before the damage; when there is no more of it, raises PartitionDamaged."""
        if self._damage is not None:
            raise self._damage
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_seconds
        while True:
            swept = await sweep(consumer, records_max)
            if swept.damage is not None:
                where, offset, error = swept.damage
                self._damage = PartitionDamaged(self._topic, where.partition, offset, error)
            if swept.messages or self._damage or now() >= deadline:
                return swept.messages
            await asyncio.sleep(POLL_SECONDS)

    def _news(
        self, where: TopicPartition, messages: Sequence[ConsumedMessage]
    ) -> Sequence[ConsumedMessage]:
        self._stuck.pop(where.partition, None)
        if silent := self._silent.pop(where.partition, None):
            silent.is_over()
        try:
            return self._places[where.partition].news(messages)
        except PartitionChanged:
            self._begin_again(where)
            return ()

    def _begin_again(self, where: TopicPartition) -> None:
        logger.warning("%s-%d is not what it was: reading it from its beginning", *where)
        self.seek(where.partition, 0)

    async def _reach(self) -> AIOKafkaConsumer:
        deadline = asyncio.get_running_loop().time() + REACH_SECONDS
        while True:
            try:
                return await self._connected()
            except KAFKA_FAILURES as problem:
                await self.close()
                if asyncio.get_running_loop().time() > deadline:
                    raise KafkaUnreachable(f"{self._topic}: {problem!r}") from problem
            await asyncio.sleep(RETRY_SECONDS)

    async def _connected(self) -> AIOKafkaConsumer:
        if self._is_outdated:
            await self.close()
        if self._consumer is None:
            consumer = new_consumer(self._brokers, fetch_wait_ms=self._fetch_wait_ms)
            await start_consumer(consumer, self._brokers)
            self._consumer = consumer
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._start_reading(consumer)
        return self._consumer

    async def _start_reading(self, consumer: AIOKafkaConsumer) -> None:
        # aiokafka asks for the leader of a missing topic again and again, without a pause.
        if self._topic not in await consumer.topics():
            raise UnknownTopicOrPartitionError(self._topic)
        self._place(consumer)
        self._ends = await consumer.end_offsets(consumer.assignment())

    def _place(self, consumer: AIOKafkaConsumer) -> None:
        consumer.assign([TopicPartition(self._topic, partition) for partition in self._places])
        for partition, place in self._places.items():
            consumer.seek(TopicPartition(self._topic, partition), place.go_back())
        self._ends = {}
        self._heard.clear()
        self._checks.begin()

    async def _require_alive(self, consumer: AIOKafkaConsumer) -> None:
        """Once its fetching died aiokafka hands out nothing, and no error: so silence is looked into."""
        if consumer.partitions_for_topic(self._topic) is None:
            raise UnknownTopicOrPartitionError(self._topic)
        ends = self._checks.news(consumer)
        if ends is None:
            return
        async with asyncio.timeout(CONNECT_SECONDS):
            for partition in self._places.keys() - self._heard:
                await self._look_into(consumer, TopicPartition(self._topic, partition), ends)
        self._ends = ends
        self._heard.clear()

    async def _look_into(self, consumer: AIOKafkaConsumer, where: TopicPartition, ends: Ends) -> None:
        place = self._places[where.partition]
        if await consumer.position(where) < self._ends.get(where, 0):
            raise StuckConsumer(where.partition, place.next_offset)
        if place.in_doubt or ends[where] < place.next_offset:
            self._begin_again(where)
        else:
            consumer.seek(where, place.go_back())
