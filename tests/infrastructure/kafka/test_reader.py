"""A reader replaces a consumer that failed, and notices one that failed without a word."""

import asyncio
import gc
from collections.abc import Callable

import pytest
from aiokafka.structs import TopicPartition

from infrastructure.kafka.clients import end_task
from infrastructure.kafka.consumer import new_consumer, start_consumer
from infrastructure.kafka.failures import KafkaUnreachable
from infrastructure.kafka.reader import PartitionReader
from infrastructure.kafka.topics import create_topics
from schemas.topics import Topics
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    delete_topics,
    fresh_topics,
    publish,
    records,
)


async def read(reader: PartitionReader, count: int) -> list[int]:
    """Offsets of the next messages of partition 0."""
    offsets: list[int] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(offsets) < count:
            offsets += [each.offset for each in (await reader.read(0.2, 100)).get(0, ())]
    return offsets


async def test_a_consumer_whose_fetching_died_in_silence_is_replaced(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2))
    reader = PartitionReader(kafka, topics.events, check_seconds=1.0)
    reader.assign({0: 0})
    assert await read(reader, 2) == [0, 1]
    assert reader._consumer is not None
    reader._consumer._fetcher._fetch_task.cancel()
    await publish(kafka, topics, records(3))
    assert await read(reader, 1) == [2]
    await reader.close()


async def test_a_reader_that_was_closed_goes_on_where_it_was(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    reader = PartitionReader(kafka, topics.events)
    reader.assign({0: 1})
    assert await read(reader, 2) == [1, 2]
    await reader.close()
    await publish(kafka, topics, records(4))
    assert await read(reader, 1) == [3]
    await reader.close()


async def make_again(kafka: str, topics: Topics, count: int) -> None:
    """The events topic, with other events than those it had."""
    await delete_topics(kafka, topics.events)
    await create_topics(kafka, topics, 1)
    await publish(kafka, topics, records(*range(101, 101 + count)))


@pytest.mark.parametrize("count", [1, 3, 5], ids=["shorter", "just as long", "longer"])
async def test_a_topic_that_was_made_again_meanwhile_is_read_from_its_beginning(
    kafka: str, count: int
) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    reader = PartitionReader(kafka, topics.events)
    reader.assign({0: 0})
    assert await read(reader, 3) == [0, 1, 2]
    await reader.close()
    await make_again(kafka, topics, count)
    assert await read(reader, count) == list(range(count))
    await reader.close()


async def test_a_reader_whose_offset_fits_a_topic_made_again_does_not_stand_still(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    reader = PartitionReader(kafka, topics.events, check_seconds=2.0)
    reader.assign({0: 0})
    assert await read(reader, 3) == [0, 1, 2]
    assert reader._consumer is not None
    # As when the machine is busy: it does not ask while the topic is away and short.
    reader._consumer.pause(*reader._consumer.assignment())
    await make_again(kafka, topics, 3)
    reader._consumer.resume(*reader._consumer.assignment())
    assert await read(reader, 3) == [0, 1, 2]
    await reader.close()


async def test_who_began_at_the_end_does_not_stand_still_in_a_topic_made_again(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    reader = PartitionReader(kafka, topics.events)
    reader.assign({0: 3})
    async with asyncio.timeout(DEADLINE_SECONDS):
        while reader._places[0]._known is None:
            assert not await reader.read(0.2, 100)
    await reader.close()
    await make_again(kafka, topics, 3)
    assert await read(reader, 3) == [0, 1, 2]
    await reader.close()


async def test_a_quiet_partition_is_read_once_however_often_it_is_looked_at(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    reader = PartitionReader(kafka, topics.events, check_seconds=1.0)
    reader.assign({0: 0})
    assert await read(reader, 3) == [0, 1, 2]
    for _ in range(30):  # About three looks.
        assert await reader.read(0.1, 100) == {}
    await publish(kafka, topics, records(4))
    assert await read(reader, 1) == [3]
    await reader.close()


async def test_who_does_not_wait_takes_no_consumer_for_stuck(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2))
    reader = PartitionReader(kafka, topics.events, check_seconds=0.0)
    reader.assign({0: 0})
    fetched = await reader.read(0.0, 100)
    first = reader._consumer
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not fetched:
            await asyncio.sleep(0)
            fetched = await reader.read(0.0, 100)
    assert reader._consumer is first
    await reader.close()


async def test_what_has_come_is_not_lost_where_another_partition_is_found_stuck(kafka: str) -> None:
    topics = await fresh_topics(kafka, 2)
    reader = PartitionReader(kafka, topics.events, check_seconds=0.0)
    reader.assign({0: 0, 1: 0})
    assert await reader.read(0.1, 100) == {}
    stuck = reader._consumer
    assert stuck is not None
    stuck.pause(TopicPartition(topics.events, 0))
    await publish(kafka, topics, records(1, partition=0))
    assert await reader.read(0.1, 100) == {}  # From now on it is known that there is something.
    await publish(kafka, topics, records(1, partition=1))

    read: set[int] = set()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while read != {0, 1}:
            read |= (await reader.read(1.0, 100)).keys()
    assert reader._consumer is not stuck
    await reader.close()


@pytest.mark.parametrize(
    "go_back",
    [lambda reader: reader.seek(0, 0), lambda reader: reader.assign({0: 0, 1: 0})],
    ids=["seek", "assign"],
)
async def test_who_goes_elsewhere_does_not_wait_for_a_request_that_found_nothing(
    kafka: str, go_back: Callable[[PartitionReader], None]
) -> None:
    topics = await fresh_topics(kafka, 2)
    await publish(kafka, topics, records(1, 2, partition=0))
    reader = PartitionReader(kafka, topics.events, check_seconds=8 * DEADLINE_SECONDS)
    reader.assign({0: 0})
    assert await read(reader, 2) == [0, 1]
    assert await reader.read(0.2, 100) == {}  # The broker holds the next request for four deadlines.
    go_back(reader)
    assert await read(reader, 2) == [0, 1]
    await reader.close()


async def test_nobody_waits_to_hear_where_partitions_end(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.kafka.reader.FETCHES_PER_CHECK", 1 / DEADLINE_SECONDS)
    topics = await fresh_topics(kafka)
    reader = PartitionReader(kafka, topics.events, check_seconds=0.5)
    reader.assign({0: 0})
    longest, now = 0.0, asyncio.get_running_loop().time
    ends = now() + 2.0
    assert await reader.read(0.1, 100) == {}  # Connects.
    while (began := now()) < ends:
        assert await reader.read(0.1, 100) == {}
        longest = max(longest, now() - began)
    assert longest < DEADLINE_SECONDS / 4
    await reader.close()


async def test_a_topic_that_does_not_exist_yet_is_waited_for(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    reader = PartitionReader(kafka, f"{topics.prefix}.missing")
    reader.assign({0: 0})
    assert await reader.read(0.1, 100) == {}
    await reader.close()


async def test_nobody_at_the_address_is_no_error_while_reading() -> None:
    reader = PartitionReader("127.0.0.1:1", "events")
    reader.assign({0: 0})
    assert await reader.read(0.1, 100) == {}


async def test_nobody_at_the_address_is_an_error_for_who_needs_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infrastructure.kafka.reader.REACH_SECONDS", 0.1)
    with pytest.raises(KafkaUnreachable):
        await PartitionReader("127.0.0.1:1", "events").ends([0])


async def test_a_client_that_ends_with_a_cancellation_of_its_own_does_not_cancel_us() -> None:
    async def stop() -> None:
        raise asyncio.CancelledError

    await end_task(stop(), 1.0)


async def test_a_client_that_does_not_end_is_left_behind() -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await end_task(asyncio.Event().wait(), 0.01)


async def test_a_start_that_is_cut_short_leaves_no_connection_open(kafka: str) -> None:
    for _ in range(5):
        starting = asyncio.create_task(start_consumer(new_consumer(kafka), kafka))
        for _ in range(3):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    # A connection that was forgotten would complain now, and warnings are errors.
    gc.collect()
