"""Reading partitions of a topic without a consumer group, through broker restarts and lost topics."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.structs import TopicPartition

from infrastructure.kafka.clients import end_task, start_client
from infrastructure.kafka.failures import KAFKA_FAILURES, KafkaUnreachable, StuckConsumer

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10.0
REACH_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 5.0
"""How often a reader that gets nothing asks whether there is nothing."""
CLOSE_SECONDS: Final = 1.0
REQUEST_MS: Final = 10_000
FETCH_WAIT_MS: Final = 250
"""How long the broker holds a request that it has no answer to; a seek takes effect only after it."""

ConsumedMessage = Any
"""aiokafka's ConsumerRecord: topic, partition, offset, timestamp, key, value, headers."""


def new_consumer(
    bootstrap: str,
    *,
    fetch_wait_ms: int = FETCH_WAIT_MS,
    isolation: Literal["read_committed", "read_uncommitted"] = "read_uncommitted",
) -> AIOKafkaConsumer:
    """Goes to the beginning where an offset does not exist (any more)."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=fetch_wait_ms,
        request_timeout_ms=REQUEST_MS,
    )


async def start_consumer(consumer: AIOKafkaConsumer) -> None:
    """Raises KafkaError or TimeoutError, having closed the consumer."""
    try:
        await start_client(consumer.start(), CONNECT_SECONDS)
    except BaseException:
        await close_consumer(consumer)
        raise


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """In bounded time, whatever state it is in."""
    await end_task(consumer.stop(), CLOSE_SECONDS)
    # stop() does not come to its last step when one before it failed.
    await end_task(consumer._client.close(), CLOSE_SECONDS)  # noqa: SLF001


class PartitionReader:
    """Messages of chosen partitions, in order. A consumer that fails is replaced where it stood.

    Those of open and aborted transactions are among them. That is no harm: what a relay sends is in the log
    already, so a transaction that fails only means that the same events come again, and `seq` tells that. It
    is even good: nobody waits for the transaction of a dead relay to expire.

    `read` never raises because of Kafka: it returns nothing, having waited, until Kafka is there again.
    When Kafka has less than was read already, reading starts at the beginning of that partition again:
    who reads has to know what it has seen.
    """

    def __init__(self, bootstrap: str, topic: str, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._bootstrap = bootstrap
        self._check_seconds = check_seconds
        self._topic = topic
        self._next: dict[int, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: Mapping[TopicPartition, int] = {}
        self._check_at = 0.0

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Reads exactly these partitions from now on, each from its offset; 0 is the beginning."""
        self._next = dict(offsets)
        if self._consumer is not None:
            self._place(self._consumer)

    def seek(self, partition: int, offset: int) -> None:
        self._next[partition] = offset
        if self._consumer is not None:
            self._consumer.seek(TopicPartition(self._topic, partition), offset)

    def next_offset(self, partition: int) -> int:
        return self._next[partition]

    async def read(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[ConsumedMessage]]:
        """The next messages by partition; empty at the timeout, or soon after something failed."""
        if not self._next:
            await asyncio.sleep(timeout_seconds)
            return {}
        try:
            return await self._read(timeout_seconds, records_max)
        except KAFKA_FAILURES as problem:
            logger.warning("reading %s failed, starting over: %r", self._topic, problem)
            await self.close()
            await asyncio.sleep(RETRY_SECONDS)
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
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_consumer(consumer)

    async def _read(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[ConsumedMessage]]:
        consumer = await self._connected()
        fetched = await consumer.getmany(timeout_ms=int(timeout_seconds * 1000), max_records=records_max)
        for where, messages in fetched.items():
            self._next[where.partition] = messages[-1].offset + 1
        if not fetched and timeout_seconds > 0:  # Who does not wait learns nothing from silence.
            await self._require_alive(consumer)
        return {where.partition: messages for where, messages in fetched.items()}

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
        if self._consumer is None:
            consumer = new_consumer(self._bootstrap)
            await start_consumer(consumer)
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
        consumer.assign([TopicPartition(self._topic, partition) for partition in self._next])
        for partition, offset in self._next.items():
            consumer.seek(TopicPartition(self._topic, partition), offset)
        self._ends = {}

    async def _require_alive(self, consumer: AIOKafkaConsumer) -> None:
        """Once its fetching died aiokafka hands out nothing, and no error: so silence is looked into."""
        if consumer.partitions_for_topic(self._topic) is None:
            raise UnknownTopicOrPartitionError(self._topic)
        now = asyncio.get_running_loop().time()
        if now < self._check_at:
            return
        self._check_at = now + self._check_seconds
        async with asyncio.timeout(CONNECT_SECONDS):
            for where, end in self._ends.items():
                if await consumer.position(where) < end:
                    raise StuckConsumer(f"{where} has more than {end} and nothing comes")
            self._ends = await consumer.end_offsets(consumer.assignment())
