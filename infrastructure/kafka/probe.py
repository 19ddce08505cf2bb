"""Whether Kafka gives a message that it could not give before."""

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import close_consumer, new_consumer, start_consumer

ASK_SECONDS: Final = 15.0
WAIT_SECONDS: Final = 5.0
POLL_MS: Final = 250


async def is_readable(brokers: Brokers, topic: str, partition: int, offset: int) -> bool:
    """Whether what lies at this offset can be read, or nothing lies there any more. Raises KafkaError or TimeoutError."""
    consumer = new_consumer(brokers)
    await start_consumer(consumer, brokers)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return await _is_readable(consumer, TopicPartition(topic, partition), offset)
    finally:
        await close_consumer(consumer)


async def _is_readable(consumer: AIOKafkaConsumer, where: TopicPartition, offset: int) -> bool:
    if where.topic not in await consumer.topics():
        return True
    begin = (await consumer.beginning_offsets([where]))[where]
    end = (await consumer.end_offsets([where]))[where]
    if not begin <= offset < end:
        return True
    consumer.assign([where])
    consumer.seek(where, offset)
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        try:
            fetched = await consumer.getmany(where, timeout_ms=POLL_MS, max_records=1)
        except CorruptRecordException:
            return False
        if fetched or await consumer.position(where) > offset:
            return True
    return False
