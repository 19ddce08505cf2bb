"""Transactions are whole, fenced and bounded in time; single messages arrive through an outage."""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced
from aiokafka.producer import sender
from aiokafka.structs import RecordMetadata

from infrastructure.kafka.batches import Message
from infrastructure.kafka.producer import (
    BATCH_BYTES,
    EARLY_BYTES,
    Compression,
    IdempotentProducer,
    TransactionalProducer,
)
from schemas.topics import Topics
from tests.infrastructure.kafka.brokers import frozen, own_broker
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    committed,
    fresh_topics,
    limit_message_bytes,
    until,
)

TOPICS = Topics("frozen")


def accept(_: Sequence[RecordMetadata]) -> None:
    """Anything."""


def refuse(_: Sequence[RecordMetadata]) -> None:
    raise ArithmeticError("these must not become visible")


def messages(topics: Topics, *values: bytes) -> list[Message]:
    return [Message(topics.events, 0, b"who", value, [("name", value[:8])]) for value in values]


async def visible(kafka: str, topics: Topics) -> list[bytes]:
    return [each.value for each in await committed(kafka, topics.events)]


async def test_messages_arrive_with_key_and_headers_in_order(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with TransactionalProducer(kafka, topics.prefix) as producer:
        [sent] = await producer.transact([messages(topics, b"one", b"two")], accept)
    found = await committed(kafka, topics.events)
    assert [(each.key, each.value, each.headers) for each in found] == [
        (b"who", b"one", (("name", b"one"),)),
        (b"who", b"two", (("name", b"two"),)),
    ]
    assert (sent.topic, sent.offset) == (topics.events, 0)


async def test_many_batches_make_one_transaction(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    values = [b"%d " % number + b"x" * (BATCH_BYTES // 3) for number in range(10)]
    async with TransactionalProducer(kafka, topics.prefix) as producer:
        sent = await producer.transact([messages(topics, *values)], accept)
    assert len(sent) > 2
    assert [each.offset for each in sent] == sorted(each.offset for each in sent)
    assert await visible(kafka, topics) == values


async def test_what_fills_a_batch_is_on_its_way_while_the_next_group_is_made(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    story: list[str] = []

    class Telling(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
        async def send_batch(self, *batch: Any, **options: Any) -> Any:
            story.append("sent")
            return await super().send_batch(*batch, **options)

    def groups() -> Iterator[list[Message]]:
        for size_bytes in (EARLY_BYTES, 1, EARLY_BYTES, 1):
            story.append(f"made {size_bytes}")
            yield messages(topics, b"x" * size_bytes)

    async with TransactionalProducer(kafka, topics.prefix, connect=Telling) as producer:
        await producer.transact(groups(), accept)
    large = f"made {EARLY_BYTES}"
    assert story == [large, "sent", "made 1", large, "sent", "made 1", "sent"]
    assert [len(value) for value in await visible(kafka, topics)] == [EARLY_BYTES, 1, EARLY_BYTES, 1]


async def test_a_message_larger_than_a_batch_is_sent_alone(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    values = [b"small", b"x" * (BATCH_BYTES + 1), b"small"]
    async with TransactionalProducer(kafka, topics.prefix) as producer:
        await producer.transact([messages(topics, *values)], accept)
    assert await visible(kafka, topics) == values


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
async def test_a_packed_batch_fits_where_its_content_would_not(
    kafka: str, compression: Compression
) -> None:
    topics = await fresh_topics(kafka)
    await limit_message_bytes(kafka, topics.events, 10_000)
    value = b"said again and again " * 2_000
    async with TransactionalProducer(kafka, topics.prefix) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.transact([messages(topics, value)], accept)
    async with TransactionalProducer(kafka, topics.prefix, compression=compression) as producer:
        await producer.transact([messages(topics, value)], accept)
    assert await visible(kafka, topics) == [value]


async def test_what_is_not_accepted_never_becomes_visible(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    with pytest.raises(ArithmeticError):
        async with TransactionalProducer(kafka, topics.prefix) as producer:
            await producer.transact([messages(topics, b"never")], refuse)
    async with TransactionalProducer(kafka, topics.prefix) as producer:
        await producer.transact([messages(topics, b"next")], accept)
    assert await visible(kafka, topics) == [b"next"]


async def test_what_is_sent_to_end_a_hanging_transaction_never_becomes_visible(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with TransactionalProducer(kafka, topics.prefix) as producer:
        await producer.transact([messages(topics, b"before")], accept)
        await producer.end_hanging(messages(topics, b"never"))
        await producer.transact([messages(topics, b"after")], accept)
    assert await visible(kafka, topics) == [b"before", b"after"]


async def fence(kafka: str, topics: Topics) -> None:
    async with (
        TransactionalProducer(kafka, topics.prefix) as older,
        TransactionalProducer(kafka, topics.prefix) as newer,
    ):
        with pytest.raises(ProducerFenced):
            await older.transact([messages(topics, b"zombie")], accept)
        await newer.transact([messages(topics, b"alive")], accept)


async def test_a_newer_producer_fences_an_older_one(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await fence(kafka, topics)
    assert await visible(kafka, topics) == [b"alive"]


async def test_a_fenced_producer_leaves_nothing_that_asyncio_complains_about(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    await fence(kafka, await fresh_topics(kafka))
    gc.collect()
    assert not [each.getMessage() for each in caplog.records if each.name == "asyncio"]


@pytest.mark.slow
async def test_a_broker_that_answers_nobody_is_given_up_on_and_works_again_later(tmp_path: Path) -> None:
    async with own_broker(tmp_path, TOPICS) as broker:
        single = IdempotentProducer(broker.bootstrap, try_seconds=0.5)
        async with TransactionalProducer(broker.bootstrap, "id", deadline_seconds=0.5) as producer:
            await producer.transact([messages(TOPICS, b"first")], accept)
            with frozen(broker):
                sending = asyncio.create_task(single.send(*messages(TOPICS, b"single")))
                with pytest.raises(TimeoutError):
                    await producer.transact([messages(TOPICS, b"lost")], accept)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await sending
            async with TransactionalProducer(broker.bootstrap, "id") as producer:
                await producer.transact([messages(TOPICS, b"second")], accept)
        await single.close()

        async def is_visible() -> bool:
            return b"second" in await visible(broker.bootstrap, TOPICS)

        await until(is_visible)
        assert set(await visible(broker.bootstrap, TOPICS)) == {b"first", b"single", b"second"}


def test_transactions_back_to_back_do_not_wait_longer_than_the_broker_needs() -> None:
    assert sender.BACKOFF_OVERRIDE == 0.002
