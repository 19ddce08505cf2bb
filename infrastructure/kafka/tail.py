"""The last committed message of a partition that can be understood, found from its end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Generic, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition
from msgspec import Struct

from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import ConsumedMessage, close_consumer, new_consumer, start_consumer
from infrastructure.kafka.one_by_one import sweep

LOOK_SECONDS: Final = 30.0
"""Longer than a transaction may stay open, since nothing after an open one can be seen; for a broker that is slow, too."""
ASK_SECONDS: Final = 10.0
LOOKS_MAX: Final = 4
"""At a time."""
FETCH_WAIT_MS: Final = 10
POLL_MS: Final = 50
FIRST_STRIDE: Final = 64
UNREADABLE_MAX: Final = 1_000
"""After so many messages that cannot be understood nobody looks on for one that can."""

Content = TypeVar("Content")


class Last(Struct, Generic[Content], frozen=True):
    """The last message that is understood, if there is one, and whether others follow that are not."""

    content: Content | None = None
    unreadable_follows: bool = False


class Tails:
    """Looks at the ends of partitions. Methods raise KafkaError or TimeoutError."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers

    async def __aenter__(self) -> "Tails":
        # To a read_committed consumer a partition ends before the first transaction that is not over, which
        # for some milliseconds is the one that was just committed.
        self._uncommitted = new_consumer(self._brokers)
        await start_consumer(self._uncommitted, self._brokers)
        self._idle: list[AIOKafkaConsumer] = []
        self._may_look = asyncio.Semaphore(LOOKS_MAX)
        self._lookers = 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*map(close_consumer, (self._uncommitted, *self._idle)))

    @asynccontextmanager
    async def _committed(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer for one look. To start one takes longer than a look, so the next may have it, unless that failed.

        When nobody looks any more all are closed: as long as one is open it asks the broker for what comes.
        """
        self._lookers += 1
        try:
            async with self._may_look:
                consumer = self._idle.pop() if self._idle else await self._new_committed()
                try:
                    yield consumer
                except BaseException:
                    await close_consumer(consumer)
                    raise
                self._idle.append(consumer)
        finally:
            self._lookers -= 1
            if not self._lookers:
                idle, self._idle = self._idle, []
                await asyncio.gather(*map(close_consumer, idle))

    async def _new_committed(self) -> AIOKafkaConsumer:
        consumer = new_consumer(self._brokers, fetch_wait_ms=FETCH_WAIT_MS, isolation="read_committed")
        await start_consumer(consumer, self._brokers)
        return consumer

    async def begins(self, *partitions: TopicPartition) -> Mapping[TopicPartition, int]:
        """The offset of the first message that is kept."""
        async with asyncio.timeout(ASK_SECONDS):
            begins: Mapping[TopicPartition, int] = await self._uncommitted.beginning_offsets(partitions)
        return begins

    async def ends(self, *partitions: TopicPartition) -> Mapping[TopicPartition, int]:
        """The offset that the next message will get."""
        async with asyncio.timeout(ASK_SECONDS):
            ends: Mapping[TopicPartition, int] = await self._uncommitted.end_offsets(partitions)
        return ends

    async def held_up(self, where: TopicPartition) -> bool:
        """Whether a transaction is open there, so that readers of what is committed stop before its end."""
        async with self._committed() as consumer, asyncio.timeout(ASK_SECONDS):
            stable: int = (await consumer.end_offsets([where]))[where]
            return stable < (await self.ends(where))[where]

    async def last(
        self,
        where: TopicPartition,
        understand: Callable[[ConsumedMessage], Content | None],
        look_seconds: float = LOOK_SECONDS,
    ) -> Last[Content]:
        """What `understand` makes of the last committed message it does not answer None for.

        Waits for open transactions to end, for so long.
        """
        async with self._committed() as consumer, asyncio.timeout(look_seconds):
            begin, stop = (await self.begins(where))[where], (await self.ends(where))[where]
            return await _last(consumer, where, (begin, stop), understand)


async def _last(
    consumer: AIOKafkaConsumer,
    where: TopicPartition,
    offsets: tuple[int, int],
    understand: Callable[[ConsumedMessage], Content | None],
) -> Last[Content]:
    """Goes back in growing strides: markers and aborted transactions take offsets, but are no messages."""
    begin, stop = offsets
    stride = FIRST_STRIDE
    unreadable = 0
    consumer.assign([where])
    while stop > begin and unreadable < UNREADABLE_MAX:
        start = max(begin, stop - stride)
        consumer.seek(where, start)
        found = [each and understand(each) async for each in _between(consumer, where, stop)]
        for content in reversed(found):
            if content is not None:
                return Last(content, unreadable > 0)
            unreadable += 1
        stop, stride = start, stride * 8
    return Last(None, unreadable > 0)


async def _between(
    consumer: AIOKafkaConsumer, where: TopicPartition, stop: int
) -> AsyncIterator[ConsumedMessage | None]:
    """The messages from the consumer's position up to the offset `stop`; None instead of those that are damaged."""
    while (position := await consumer.position(where)) < stop:
        try:
            fetched = await consumer.getmany(where, timeout_ms=POLL_MS)
        except CorruptRecordException:
            consumer.seek(where, position)
            async for message in _before_damage(consumer, where):
                if message.offset < stop:
                    yield message
            yield None
            return
        for message in fetched.get(where, ()):
            if message.offset < stop:
                yield message


async def _before_damage(
    consumer: AIOKafkaConsumer, where: TopicPartition
) -> AsyncIterator[ConsumedMessage]:
    while True:
        swept = await sweep(consumer, UNREADABLE_MAX)
        for message in swept.messages.get(where, ()):
            yield message
        if swept.damage is not None:
            return
        await asyncio.sleep(POLL_MS / 1000)
