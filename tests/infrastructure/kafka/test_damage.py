"""Where Kafka has messages and cannot give them its readers get on: from the log, or behind the damage."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Never

import pytest

from domain.ports import FeedPosition
from embedded.brokers import Broker
from infrastructure.kafka import reading
from infrastructure.kafka.failures import PartitionDamaged
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.probe import is_readable
from infrastructure.kafka.reader import PartitionReader
from infrastructure.kafka.topics import create_topics
from schemas.topics import Topics
from tests.infrastructure.kafka.brokers import own_broker
from tests.infrastructure.kafka.damaging import cut, flip, flip_last_data, require_apache, segment
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    as_shown,
    delete_topics,
    publish,
    records,
    take,
)
from tests.infrastructure.kafka.substitutes import MemorySubstitute
from tests.relay.logs import append, grants, log_of, relaying, until_checkpointed, until_relayed

TOPICS = Topics("damaged")
EVENTS = 300
START = FeedPosition()


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    async with own_broker(tmp_path_factory.mktemp("damaged"), TOPICS) as server:
        require_apache(server)
        yield server


async def damaged_topics(broker: Broker, name: str, damage: Callable[[Path], None]) -> Topics:
    """With 300 events, each in a batch of its own, and two partitions of which the first is damaged."""
    topics = Topics(name)
    await create_topics(broker.bootstrap, topics, 2)
    await publish(broker.bootstrap, topics, records(*range(1, EVENTS + 1)))
    damage(events_of(broker, topics))
    return topics


def events_of(broker: Broker, topics: Topics) -> Path:
    return segment(broker._folder / "data", topics.events, 0)


@asynccontextmanager
async def following(
    broker: Broker, topics: Topics, substitute: MemorySubstitute
) -> AsyncIterator[KafkaEventFeed]:
    feed = KafkaEventFeed(broker.bootstrap, topics, substitute)
    await feed.follow({0: START, 1: START})
    try:
        yield feed
    finally:
        await feed.close()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flip, cut])
async def test_what_a_damaged_partition_does_not_give_comes_from_the_log_once_and_in_order(
    broker: Broker, damage: Callable[[Path], None]
) -> None:
    topics = await damaged_topics(broker, damage.__name__, damage)
    substitute = MemorySubstitute(records(*range(1, EVENTS + 1)))
    async with following(broker, topics, substitute) as feed:
        assert await take(feed, EVENTS) == as_shown(*substitute.log)
        [told] = substitute.told
        assert (told.topic, told.partition) == (topics.events, 0)
        assert 0 <= told.offset < EVENTS
        substitute.log += records(EVENTS + 1)
        assert await take(feed, 1) == as_shown(*records(EVENTS + 1))
        # The others are read as ever.
        await publish(broker.bootstrap, topics, records(1, 2, partition=1))
        assert await take(feed, 2) == as_shown(*records(1, 2, partition=1))


@pytest.mark.slow
async def test_behind_the_damage_kafka_is_read_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "RETURN_SECONDS", 0.1)
    topics = await damaged_topics(broker, "again", flip)
    substitute = MemorySubstitute(records(*range(1, EVENTS + 1)))
    async with following(broker, topics, substitute) as feed:
        await take(feed, EVENTS)
        # The log of this test does not have them: only Kafka can give them.
        while not await is_followed_in_kafka(feed):
            assert not await feed.next_batch(0.1, 100)
        await publish(broker.bootstrap, topics, records(EVENTS + 1, EVENTS + 2))
        batch = await feed.next_batch(DEADLINE_SECONDS, 100)
        assert (batch[0][0].record.seq, batch[0][0].offset) == (EVENTS + 1, EVENTS)


async def is_followed_in_kafka(feed: KafkaEventFeed) -> bool:
    return feed._readings[0].in_kafka


@pytest.mark.slow
async def test_a_reader_without_a_log_goes_on_behind_the_damage(broker: Broker) -> None:
    topics = await damaged_topics(broker, "behind", flip)
    reader = PartitionReader(broker.bootstrap, topics.events)
    reader.assign({0: 0})
    offsets: list[int] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while reader.next_offset(0) < EVENTS:
            messages = await reader.read_past_damage(0.5, 1_000)
            offsets += [each.offset for each in messages.get(0, ())]
        assert offsets == list(range(len(offsets)))
        assert 0 < len(offsets) < EVENTS
        await publish(broker.bootstrap, topics, records(EVENTS + 1))
        while not (messages := await reader.read_past_damage(0.5, 1_000)):
            pass
    assert [each.offset for each in messages[0]] == [EVENTS]
    await reader.close()


async def read_on(reader: PartitionReader) -> Never:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            await reader.read(0.5, 1_000)


@pytest.mark.slow
async def test_damage_counts_as_mended_when_it_can_be_read_or_is_gone(broker: Broker) -> None:
    topics = await damaged_topics(broker, "mended", flip)
    reader = PartitionReader(broker.bootstrap, topics.events)
    reader.assign({0: 0})
    with pytest.raises(PartitionDamaged) as raised:
        await read_on(reader)
    await reader.close()
    where = (broker.bootstrap, topics.events, 0)
    assert not await is_readable(*where, raised.value.offset)
    assert await is_readable(*where, 0)
    assert await is_readable(*where, EVENTS)
    flip(events_of(broker, topics))  # The other way round.
    assert await is_readable(*where, raised.value.offset)
    await delete_topics(broker.bootstrap, topics.events)
    assert await is_readable(*where, raised.value.offset)


@pytest.mark.slow
async def test_a_relay_goes_on_after_its_checkpoint_where_the_last_events_are_damaged(
    broker: Broker,
) -> None:
    topics = Topics("tail")
    await create_topics(broker.bootstrap, topics, 1)
    log = await log_of(3)
    async with relaying(broker.bootstrap, topics, log) as relays:
        await until_relayed(relays, 3)
        await append(log, *grants(2, first=4), version=3)
        await until_checkpointed(broker.bootstrap, topics, 5)
    flip_last_data(events_of(broker, topics))
    await append(log, *grants(1, first=6), version=5)
    async with relaying(broker.bootstrap, topics, log) as [relay]:
        await until_relayed([relay], 1)
        assert (relay.events_relayed, relay.positions) == (1, {0: 6})
