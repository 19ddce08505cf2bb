"""The last committed message of a partition, found from its end."""

from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from infrastructure.kafka.consumer import ConsumedMessage

FIRST_STRIDE: Final = 64
POLL_MS: Final = 50

Content = TypeVar("Content")


async def last_message(
    consumer: AIOKafkaConsumer,
    where: TopicPartition,
    understand: Callable[[ConsumedMessage], Content | None],
) -> Content | None:
    """What `understand` makes of the last message it does not answer None for; None when there is none.

    Goes back in growing strides: markers and aborted transactions take offsets, but are no messages.
    Takes over the consumer's assignment. Raises KafkaError; the caller sets the deadline.
    """
    begin = (await consumer.beginning_offsets([where]))[where]
    stop = (await consumer.end_offsets([where]))[where]
    stride = FIRST_STRIDE
    consumer.assign([where])
    while stop > begin:
        start = max(begin, stop - stride)
        consumer.seek(where, start)
        found = [understand(each) async for each in _between(consumer, where, stop)]
        if understood := [each for each in found if each is not None]:
            return understood[-1]
        stop, stride = start, stride * 8
    return None


async def _between(
    consumer: AIOKafkaConsumer, where: TopicPartition, stop: int
) -> AsyncIterator[ConsumedMessage]:
    """The messages from the consumer's position up to the offset `stop`."""
    while await consumer.position(where) < stop:
        fetched = await consumer.getmany(where, timeout_ms=POLL_MS)
        for message in fetched.get(where, ()):
            if message.offset < stop:
                yield message
