"""Looks at the ends of partitions leave nothing behind that goes on asking the broker."""

import asyncio

import psutil
from aiokafka.structs import TopicPartition

from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.tail import LOOKS_MAX, Tails
from tests.infrastructure.kafka.messages import fresh_topics, publish, records


def connections_to(bootstrap: str) -> int:
    port = int(bootstrap.rpartition(":")[2])
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process().net_connections())


def offset_of(message: ConsumedMessage) -> int | None:
    return int(message.offset)


async def test_after_looks_at_full_and_empty_partitions_no_consumer_is_left_that_asks_for_more(
    kafka: str,
) -> None:
    partitions = 2 * LOOKS_MAX
    topics = await fresh_topics(kafka, partitions)
    await publish(kafka, topics, records(1, 2, partition=0))
    async with Tails(kafka) as tails:
        before = connections_to(kafka)
        looks = (tails.last(TopicPartition(topics.events, each), offset_of) for each in range(partitions))
        found = await asyncio.gather(*looks)
        assert [each.content for each in found] == [1, *[None] * (partitions - 1)]
        assert connections_to(kafka) <= before + 1  # That on which `Tails` asks where partitions end.
