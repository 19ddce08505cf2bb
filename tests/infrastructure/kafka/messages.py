"""Log records to publish, topics of a test's own, and what a topic holds."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition

from domain.events import Event
from domain.log import LogRecord, RecordedEvent
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.topics import create_topics
from schemas.events import encode, type_of
from schemas.topics import Topics, headers_of
from tests.builders import ANNA, NOON, granted, identity
from tests.keys import KEY

DEADLINE_SECONDS = 30.0
POLL_SECONDS = 0.01
LOOK_SECONDS = 5.0


def record(seq: int, *, partition: int = 0, event: Event | None = None, owner_id: UUID = ANNA) -> LogRecord:
    event = event or granted(seq)
    stored = type_of(event)
    return LogRecord(
        partition=partition,
        seq=seq,
        stream_id=f"quota-{owner_id}",
        version=seq,
        owner_id=owner_id,
        type=stored.name,
        schema_version=stored.schema_version,
        data=encode(event, seq, KEY),
        event_id=identity(f"event {partition}:{seq}"),
        recorded_at=NOON,
        actor="anna",
        correlation_id=identity("conversation"),
        causation_id=None,
        request_id=None,
        traceparent=None,
    )


def records(*seqs: int, partition: int = 0) -> list[LogRecord]:
    return [record(seq, partition=partition) for seq in seqs]


def as_shown(*sent: LogRecord) -> list[RecordedEvent]:
    """As a feed shows these records."""
    names = RecordedEvent.__struct_fields__
    return [RecordedEvent(**{name: getattr(each, name) for name in names}) for each in sent]


def events(*seqs: int, partition: int = 0) -> list[RecordedEvent]:
    return as_shown(*records(*seqs, partition=partition))


async def fresh_topics(bootstrap: str, partition_count: int = 1) -> Topics:
    """Empty topics nobody else knows."""
    topics = Topics(f"test-{uuid.uuid4().hex[:12]}")
    await create_topics(bootstrap, topics, partition_count)
    return topics


async def publish(bootstrap: str, topics: Topics, sent: Iterable[LogRecord]) -> None:
    """As a relay would, but without transactions, checkpoints and checks."""
    async with producing(bootstrap) as producer:
        await send(producer, topics, sent)


async def send(producer: AIOKafkaProducer, topics: Topics, sent: Iterable[LogRecord]) -> None:
    for each in sent:
        key = str(each.owner_id).encode()
        await producer.send_and_wait(
            topics.events, each.data, key, each.partition, headers=headers_of(each)
        )


@asynccontextmanager
async def producing(bootstrap: str, transactional_id: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    """Has sent everything when it ends."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, transactional_id=transactional_id
    )
    async with producer:
        yield producer


async def committed(bootstrap: str, topic: str) -> Sequence[Any]:
    """All messages that read_committed consumers see, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    ends_seen_by = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    async with asyncio.timeout(DEADLINE_SECONDS), consumer, ends_seen_by:
        found: list[Any] = []
        for where in await _partitions(bootstrap, topic):
            # What was just committed counts, although its end may not be written yet.
            end = (await ends_seen_by.end_offsets([where]))[where]
            consumer.assign([where])
            await consumer.seek_to_beginning(where)
            while await consumer.position(where) < end:
                found += (await consumer.getmany(where, timeout_ms=20)).get(where, [])
        return found


async def newest_ends(bootstrap: str, topic: str) -> dict[int, int]:
    """Where each partition ends."""
    partitions = await _partitions(bootstrap, topic)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        return {where.partition: end for where, end in (await consumer.end_offsets(partitions)).items()}


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    async with administering(bootstrap) as admin:
        [described] = await admin.describe_topics([topic])
    return sorted(TopicPartition(topic, each["partition"]) for each in described["partitions"])


async def take(feed: KafkaEventFeed, count: int, records_max: int = 100) -> list[RecordedEvent]:
    """Exactly `count` events, in the order in which they came."""
    taken: list[RecordedEvent] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(taken) < count:
            batch = await feed.next_batch(1.0, records_max)
            taken += [each.record for sent in batch.values() for each in sent]
    assert len(taken) == count
    return taken


async def delete_topics(bootstrap: str, *names: str) -> None:
    """Returns when they are gone; or empty, since a broker may make a topic anew for whoever asks for it."""
    async with administering(bootstrap) as admin:
        await admin.delete_topics(list(names))

        async def is_empty() -> bool:
            left = set(names) & set(await admin.list_topics())
            return not any([sum((await newest_ends(bootstrap, name)).values()) for name in left])

        async def gone() -> bool:
            # aiokafka asks without end where a topic ends that goes away in that moment, and stops with a
            # cancellation of its own.
            looking = asyncio.ensure_future(is_empty())
            await asyncio.wait([looking], timeout=LOOK_SECONDS)
            looking.cancel()
            await asyncio.wait([looking])
            return not looking.cancelled() and looking.result()

        await until(gone)


@asynccontextmanager
async def administering(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():
            await asyncio.sleep(POLL_SECONDS)


async def limit_message_bytes(kafka: str, topic: str, size_bytes: int) -> None:
    """Returns when the broker goes by the limit: it answers before it does."""
    async with administering(kafka) as admin:
        limit = {"max.message.bytes": str(size_bytes)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])

        async def is_in_force() -> bool:
            [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            [(*_, entries)] = answer.resources
            return limit.items() <= {name: value for name, value, *_ in entries}.items()

        await until(is_in_force)
