"""The events topic holds exactly the log, whatever happens to relays and to Kafka."""

import asyncio
from collections.abc import Sequence
from itertools import count
from uuid import uuid4

import pytest
from aiokafka.errors import ProducerFenced
from msgspec.structs import replace

from domain.log import LogRecord
from infrastructure.kafka.producer import Compression
from infrastructure.kafka.topics import create_topics
from infrastructure.memory import InMemoryEventStore
from relay.relay import LaneRelay
from schemas.partitions import partition_of
from schemas.topics import Topics, headers_of
from tests.builders import OTHER_WORKER, WORKER, attempt_failed, cancelled, requested, started
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    committed,
    delete_topics,
    fresh_topics,
    limit_message_bytes,
    producing,
    until,
)
from tests.relay.logs import (
    QUICK,
    append,
    grants,
    log_of,
    relay_all,
    relayed,
    relaying,
    until_checkpointed,
    until_relayed,
)


async def test_the_topic_holds_the_log_in_content_and_order(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=3)
    log = InMemoryEventStore(3)
    for _ in range(20):
        await append(log, *grants(7), owner_id=uuid4())
    async with relaying(kafka, topics, log) as relays:
        await until_relayed(relays, 140)
    assert await relayed(kafka, topics) == list(log)


async def test_what_is_appended_later_follows(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(3)
    async with relaying(kafka, topics, log) as relays:
        await until_relayed(relays, 3)
        await append(log, *grants(2, first=4), version=3)
        await until_relayed(relays, 5)
    assert await relayed(kafka, topics) == list(log)


@pytest.mark.parametrize("compressions", [("zstd", "lz4", "none"), ("none", "zstd", "zstd")])
async def test_a_relay_goes_on_whatever_the_one_before_packed_its_events_with(
    kafka: str, compressions: Sequence[Compression]
) -> None:
    topics = await fresh_topics(kafka)
    log = InMemoryEventStore(1)
    for version, compression in zip((0, 50, 100), compressions, strict=True):
        await append(log, *grants(50, first=version + 1), version=version)
        async with relaying(kafka, topics, log, compression=compression) as relays:
            await until_relayed(relays, 50)
    assert await relayed(kafka, topics) == list(log)


async def test_the_key_is_the_user_and_the_checkpoint_tells_how_far_it_came(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(3)
    async with relaying(kafka, topics, log):
        await until_checkpointed(kafka, topics, 3)
    assert {each.key for each in await committed(kafka, topics.events)} == {
        str(each.owner_id).encode() for each in log
    }


async def test_workers_are_told_what_concerns_them(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=4)
    log = InMemoryEventStore(4)
    await append(
        log,
        requested(),
        started(1, worker_id=WORKER),
        attempt_failed(1),
        started(2, worker_id=OTHER_WORKER),
        cancelled(2, worker_id=OTHER_WORKER),
        cancelled(),
    )
    await relay_all(kafka, topics, log)
    jobs = sorted(await committed(kafka, topics.jobs), key=lambda each: dict(each.headers)["seq"])
    sent = [(UUID_OF[each.key], each.value, each.partition, list(each.headers)) for each in jobs]
    _, *of_workers, _ = list(log)
    told = zip((WORKER, WORKER, OTHER_WORKER, OTHER_WORKER), of_workers, strict=True)
    assert sent == [
        (
            worker,
            record.data,
            partition_of(worker, 4),
            [*headers_of(record), ("partition", b"%d" % record.partition)],
        )
        for worker, record in told
    ]


UUID_OF = {str(worker).encode(): worker for worker in (WORKER, OTHER_WORKER)}


async def test_a_relay_that_starts_again_leaves_no_gap_and_repeats_nothing(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = InMemoryEventStore(1)
    for version in range(0, 50, 10):
        await append(log, *grants(10, first=version + 1), version=version)
        await relay_all(kafka, topics, log)
    assert await relayed(kafka, topics) == list(log)


async def test_a_transaction_is_bounded_in_events_and_in_bytes(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(10)
    size_bytes = len(next(iter(log)).data)
    async with relaying(kafka, topics, log, replace(QUICK, records_max=4)) as [relay]:
        await until_relayed([relay], 10)
        assert relay.transactions == 3
    await append(log, *grants(3, first=11), version=10)
    async with relaying(kafka, topics, log, replace(QUICK, bytes_max=size_bytes)) as [relay]:
        await until_relayed([relay], 3)
        assert relay.transactions == 3
    assert await relayed(kafka, topics) == list(log)


async def test_a_second_relay_of_a_partition_fences_the_first(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    first = LaneRelay((0,), log, kafka, topics, limits=QUICK)
    running = asyncio.create_task(first.run())
    await until_relayed([first], 5)
    async with asyncio.timeout(DEADLINE_SECONDS), relaying(kafka, topics, log) as [second]:
        for version in count(5):
            await append(log, *grants(1, first=version + 1), version=version)
            await until_relayed([first, second], version + 1)
            if second.events_relayed:
                break
        with pytest.raises(ProducerFenced):
            await running
    assert await relayed(kafka, topics) == list(log)


async def test_a_relay_that_is_cancelled_in_a_transaction_leaves_nothing_that_others_wait_for(
    kafka: str,
) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(20_000)
    relay = LaneRelay((0,), log, kafka, topics, limits=QUICK)
    running = asyncio.create_task(relay.run())
    await until_relayed([relay], 2_000)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    seen = await relayed(kafka, topics)
    assert seen == list(log)[: len(seen)]
    async with producing(kafka) as producer:
        sent = await producer.send_and_wait(topics.events, b"after", partition=0)
    assert (await committed(kafka, topics.events))[-1].offset == sent.offset


class HoledLog(InMemoryEventStore):
    """Has lost a record: what no log of ours may ever do."""

    missing = 3

    async def read(self, partition: int, after_seq: int, limit: int) -> Sequence[LogRecord]:
        records = await super().read(partition, after_seq, limit)
        return [each for each in records if each.seq != self.missing]


async def test_nothing_is_sent_across_a_gap_in_the_log(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = HoledLog(1)
    await append(log, *grants(5))
    async with relaying(kafka, topics, log) as [relay]:

        async def has_tried_often() -> bool:
            return relay.restarts >= 3

        await until(has_tried_often)
        assert await relayed(kafka, topics) == []
        log.missing = 0
        await until_relayed([relay], 5)
    assert await relayed(kafka, topics) == list(log)


async def test_a_producer_that_does_not_await_its_sends_commits_a_part_of_a_transaction(kafka: str) -> None:
    """Why ours awaits them: this is what aiokafka lets happen."""
    topics = await fresh_topics(kafka)
    await limit_message_bytes(kafka, topics.events, 300)
    async with producing(kafka, f"{topics.prefix}-careless") as producer, producer.transaction():
        lost = await producer.send(topics.events, b"x" * 1000, partition=0)
        await producer.send(topics.checkpoints, b"done", b"0", partition=0)
    assert lost.exception() is not None
    assert await committed(kafka, topics.events) == []
    assert len(await committed(kafka, topics.checkpoints)) == 1


async def test_when_one_send_fails_nothing_of_its_transaction_is_visible(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = InMemoryEventStore(1)
    await limit_message_bytes(kafka, topics.events, 300)
    await append(log, *grants(5), started(worker_id=WORKER))
    async with relaying(kafka, topics, log) as [relay]:

        async def has_tried_often() -> bool:
            return relay.restarts >= 3

        await until(has_tried_often)
        for topic in (topics.events, topics.jobs, topics.checkpoints):
            assert await committed(kafka, topic) == []
        await limit_message_bytes(kafka, topics.events, 1 << 20)
        await until_relayed([relay], 6)
    assert await relayed(kafka, topics) == list(log)
    assert len(await committed(kafka, topics.jobs)) == 1


async def test_topics_deleted_under_a_relay_are_filled_again(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    async with relaying(kafka, topics, log) as [relay]:
        await until_relayed([relay], 5)
        await wipe(kafka, topics)
        await until_relayed([relay], 10)
    assert await relayed(kafka, topics) == list(log)


async def test_events_deleted_under_a_relay_come_before_those_appended_later(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    async with relaying(kafka, topics, log, replace(QUICK, check_seconds=60.0)) as [relay]:
        await until_relayed([relay], 5)
        await wipe(kafka, topics)
        await append(log, *grants(5, first=6), version=5)
        await until_relayed([relay], 15)
    assert await relayed(kafka, topics) == list(log)


async def wipe(kafka: str, topics: Topics) -> None:
    names = (topics.events, topics.jobs, topics.checkpoints)
    await delete_topics(kafka, *names)
    await create_topics(kafka, topics, 1)
