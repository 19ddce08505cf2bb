"""The feed hands out the log in order, each event once, whatever offsets say and Kafka lost or shows twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.ports import FeedPosition
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.topics import create_topics
from schemas.topics import Topics, headers_of
from tests.infrastructure.kafka.messages import (
    as_shown,
    committed,
    delete_topics,
    events,
    fresh_topics,
    producing,
    publish,
    record,
    records,
    send,
    take,
)
from tests.infrastructure.kafka.substitutes import MemorySubstitute

START = FeedPosition()


@asynccontextmanager
async def following(
    kafka: str,
    topics: Topics,
    positions: dict[int, FeedPosition],
    substitute: MemorySubstitute | None = None,
) -> AsyncIterator[KafkaEventFeed]:
    feed = KafkaEventFeed(kafka, topics, substitute)
    try:
        await feed.follow(positions)
        yield feed
    finally:
        await feed.close()


async def nothing_comes(feed: KafkaEventFeed) -> bool:
    return not await feed.next_batch(0.7, 100)


async def test_events_come_as_they_were_sent_and_in_order(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    sent = records(*range(1, 21))
    await publish(kafka, topics, sent)
    async with following(kafka, topics, {0: START}) as feed:
        assert await take(feed, 20) == as_shown(*sent)


async def test_a_batch_is_no_larger_than_asked_for(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(*range(1, 21)))
    async with following(kafka, topics, {0: START}) as feed:
        batch = await feed.next_batch(10.0, 7)
        assert [each.record.seq for each in batch[0]] == [1, 2, 3, 4, 5, 6, 7]
        assert [each.seq for each in await take(feed, 13, records_max=7)] == list(range(8, 21))


async def test_only_the_followed_partitions_are_read_each_from_its_position(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=3)
    for partition in range(3):
        await publish(kafka, topics, records(1, 2, 3, partition=partition))
    async with following(kafka, topics, {0: START, 2: FeedPosition(seq=2)}) as feed:
        taken = await take(feed, 4)
        assert {each.address for each in taken} == {
            each.address for each in [*records(1, 2, 3), record(3, partition=2)]
        }
        assert await nothing_comes(feed)


async def test_an_offset_is_where_reading_goes_on(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    async with following(kafka, topics, {0: START}) as feed:
        second = (await feed.next_batch(10.0, 2))[0][1]
    async with following(kafka, topics, {0: FeedPosition(seq=2, next_offset=second.offset + 1)}) as feed:
        assert await take(feed, 1) == events(3)


async def test_what_was_seen_is_skipped(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 1, 2, 3, 2, 3, 4))
    async with following(kafka, topics, {0: START}) as feed:
        assert await take(feed, 4) == events(1, 2, 3, 4)


async def test_an_offset_after_the_end_leads_back_to_the_beginning(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    async with following(kafka, topics, {0: FeedPosition(seq=1, next_offset=1_000)}) as feed:
        assert await take(feed, 2) == events(2, 3)


async def test_an_offset_after_the_next_event_leads_back_to_the_beginning(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3, 4, 5))
    async with following(kafka, topics, {0: FeedPosition(seq=1, next_offset=4)}) as feed:
        assert await take(feed, 4) == events(2, 3, 4, 5)


async def test_a_missing_event_is_waited_for_until_it_is_sent_again(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=2)
    await publish(kafka, topics, records(1, 2, 4, 5))
    async with following(kafka, topics, {0: START, 1: START}) as feed:
        assert await take(feed, 2) == events(1, 2)
        assert await nothing_comes(feed)
        await publish(kafka, topics, records(1, partition=1))
        assert await take(feed, 1) == events(1, partition=1)
        await publish(kafka, topics, records(3, 4, 5))
        assert await take(feed, 3) == events(3, 4, 5)


async def test_who_can_reach_the_log_takes_from_it_what_kafka_does_not_have(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 5, 6))
    substitute = MemorySubstitute(records(1, 2, 3, 4, 5))
    async with following(kafka, topics, {0: START}, substitute) as feed:
        assert await take(feed, 6) == events(1, 2, 3, 4, 5, 6)
        assert not substitute.told
        await publish(kafka, topics, records(3, 4, 7))
        assert await take(feed, 1) == events(7)


async def test_a_rewound_partition_is_handed_out_again(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=2)
    await publish(kafka, topics, [*records(1, 2, 3), *records(1, 2, partition=1)])
    async with following(kafka, topics, {0: START, 1: START}) as feed:
        await take(feed, 5)
        feed.rewind(0, FeedPosition(seq=1))
        assert await take(feed, 2) == events(2, 3)
        feed.rewind(0, FeedPosition(seq=2, next_offset=2))
        assert await take(feed, 1) == events(3)


async def test_partitions_that_are_followed_already_keep_their_place(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=2)
    await publish(kafka, topics, [*records(1, 2), *records(1, 2, partition=1)])
    async with following(kafka, topics, {0: START}) as feed:
        assert await take(feed, 2) == events(1, 2)
        await feed.follow({0: START, 1: START})
        assert await take(feed, 2) == events(1, 2, partition=1)
        await feed.follow({1: START})
        await publish(kafka, topics, [*records(3), *records(3, partition=1)])
        assert await take(feed, 1) == events(3, partition=1)


async def test_nobody_waits_for_partitions_that_are_not_followed(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with following(kafka, topics, {}) as feed:
        assert await feed.next_batch(0.0, 100) == {}


async def test_an_aborted_transaction_delays_nobody_and_repeats_nothing(kafka: str) -> None:
    """Its events are in the log all the same, and the relay sends them again."""
    topics = await fresh_topics(kafka)
    async with (
        producing(kafka, f"{topics.prefix}-aborting") as producer,
        following(kafka, topics, {0: START}) as feed,
    ):
        await producer.begin_transaction()
        await send(producer, topics, records(1, 2))
        assert await take(feed, 2) == events(1, 2)
        await producer.abort_transaction()
        await producer.begin_transaction()
        await send(producer, topics, records(1, 2, 3))
        await producer.commit_transaction()
        assert await take(feed, 1) == events(3)


async def test_a_topic_that_was_deleted_and_filled_again_is_read_on(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish(kafka, topics, records(1, 2, 3))
    async with following(kafka, topics, {0: START}) as feed:
        await take(feed, 3)
        await delete_topics(kafka, topics.events)
        assert await nothing_comes(feed)
        await create_topics(kafka, topics, 1)
        await publish(kafka, topics, records(1, 2, 3, 4))
        assert await take(feed, 1) == events(4)


async def test_a_message_that_is_no_event_becomes_a_dead_letter_once_and_stops_nobody(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with producing(kafka) as producer:
        await producer.send_and_wait(topics.events, b"hello", b"who", 0, headers=[("seq", b"one")])
    await publish(kafka, topics, records(1, 3))
    async with following(kafka, topics, {0: START}) as feed:
        assert await take(feed, 1) == events(1)
        assert await nothing_comes(feed)
    [letter] = await committed(kafka, topics.dead_letters)
    headers = dict(letter.headers)
    assert (letter.key, letter.value, headers["seq"]) == (b"who", b"hello", b"one")
    assert headers["dead_letter_from"] == f"{topics.events}:0:0".encode()
    assert b"UnreadableMessage" in headers["dead_letter_reason"]


async def test_an_event_that_cannot_be_read_stops_its_partition_only(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=2)
    misplaced = record(2)
    async with producing(kafka) as producer:
        await producer.send_and_wait(
            topics.events,
            misplaced.data,
            str(misplaced.owner_id).encode(),
            1,
            headers=[*headers_of(misplaced), ("partition", b"0")],
        )
    await publish(kafka, topics, [*records(1, 2), *records(2, partition=1)])
    async with following(kafka, topics, {0: START, 1: START}) as feed:
        assert await take(feed, 2) == events(1, 2)
        assert await nothing_comes(feed)
    assert len(await committed(kafka, topics.dead_letters)) == 1
