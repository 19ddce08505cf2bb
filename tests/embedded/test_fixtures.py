"""The fixtures every other test builds upon hold what they promise."""

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.topics import Topics
from tests.conftest import PARTITION_COUNT


async def test_a_module_gets_an_empty_database(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    tables = await connection.fetch("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
    durable = await connection.fetchval("SHOW fsync")
    await connection.close()
    assert (tables, durable) == ([], "on")


async def test_a_module_gets_topics_that_take_messages(kafka: str, topics: Topics) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        await producer.send_and_wait(topics.events, b"hello", partition=PARTITION_COUNT - 1)
    async with AIOKafkaConsumer(
        topics.events, bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).value == b"hello"
