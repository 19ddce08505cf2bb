"""Partitions that are relayed together share a transaction and a producer, and none of their troubles."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import ProducerFenced
from msgspec.structs import replace

from domain.log import LogRecord
from domain.ports import PartitionDetached
from infrastructure.memory import InMemoryEventStore
from relay.kafka_state import LogBehindKafka
from relay.lanes import LANE_WIDTH, Lane, earlier_transactional_id_of, lanes_of, transactional_id_of
from relay.limits import Limits
from relay.relay import LaneRelay
from schemas.topics import Topics
from tests.builders import attempt_failed
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    committed,
    fresh_topics,
    limit_message_bytes,
    producing,
    until,
)
from tests.relay.logs import QUICK, append, grants, owner_in, relayed, relaying, until_relayed

LANE: Lane = (0, 1, 2)
SELDOM_CHECKPOINTED = replace(QUICK, checkpoint_seconds=DEADLINE_SECONDS, settle_seconds=DEADLINE_SECONDS)


async def log_of_each(count: int) -> InMemoryEventStore:
    """So many events in each of three partitions."""
    log = InMemoryEventStore(len(LANE))
    for partition in LANE:
        await append(log, *grants(count), owner_id=owner_in(partition))
    return log


@pytest.mark.parametrize("partition_count", [1, 3, 4, 8, 10, 256])
def test_each_partition_is_in_one_lane(partition_count: int) -> None:
    lanes = lanes_of(partition_count)
    assert [each for lane in lanes for each in lane] == list(range(partition_count))
    assert max(map(len, lanes)) <= LANE_WIDTH
    topics = Topics()
    names = [transactional_id_of(lane, topics) for lane in lanes]
    earlier = [earlier_transactional_id_of(each, topics) for each in range(partition_count)]
    assert len({*names, *earlier}) == len(names) + len(earlier)


async def test_what_waits_in_several_partitions_is_sent_in_one_transaction(kafka: str) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    log = await log_of_each(5)
    async with relaying(kafka, topics, log, SELDOM_CHECKPOINTED, lanes=[LANE]) as [relay]:
        await until_relayed([relay], 15)
        assert relay.transactions == 1
    assert await relayed(kafka, topics) == list(log)


async def test_much_is_sent_in_parts_and_nothing_is_left_out_or_sent_twice(kafka: str) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    log = await log_of_each(50)
    await append(log, *grants(37), owner_id=owner_in(1))
    size_bytes = len(next(iter(log)).data)
    for limits in (replace(QUICK, records_max=7), replace(QUICK, bytes_max=9 * size_bytes)):
        async with relaying(kafka, topics, log, limits, lanes=[LANE]) as [relay]:
            await until_relayed([relay], 37)
            for partition in LANE:
                await append(log, *grants(37), owner_id=owner_in(partition))
            await until_relayed([relay], 3 * 37)
    async with relaying(kafka, topics, log, lanes=[LANE]):

        async def is_whole() -> bool:
            return await relayed(kafka, topics) == list(log)

        await until(is_whole)


async def test_a_refused_partition_stops_alone(kafka: str) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    log = await log_of_each(5)
    async with relaying(kafka, topics, log, lanes=[LANE]) as [relay]:
        await until_relayed([relay], 15)
    log._partitions[1].pop()
    refused: dict[int, Exception | None] = {}
    relay = LaneRelay(LANE, log, kafka, topics, limits=QUICK, tell=refused.__setitem__)
    running = asyncio.create_task(relay.run())
    for partition in (0, 2):
        await append(log, *grants(2), owner_id=owner_in(partition))
    await until_relayed([relay], 4)

    async def are_refused(*partitions: int) -> bool:
        return refused.keys() == set(partitions)

    await until(lambda: are_refused(1))
    log._partitions[0].pop()
    await until(lambda: are_refused(0, 1))
    await append(log, *grants(2), owner_id=owner_in(2))
    await until_relayed([relay], 6)
    log._partitions[2].clear()
    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(LogBehindKafka, match="partition 2"):
            await running


class LogInParts(InMemoryEventStore):
    """Partitions can be taken away, and come back."""

    def __init__(self) -> None:
        super().__init__(len(LANE))
        self.away: set[int] = set()

    async def read(self, partition: int, after_seq: int, limit: int) -> Sequence[LogRecord]:
        if partition in self.away:
            raise PartitionDetached([partition])
        return await super().read(partition, after_seq, limit)

    async def head(self, partition: int) -> int:
        await self.read(partition, 0, 1)
        return await super().head(partition)


async def test_a_partition_that_is_taken_away_stops_alone_and_goes_on_when_it_is_back(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    log = LogInParts()
    for partition in LANE:
        await append(log, *grants(5), owner_id=owner_in(partition))
    async with relaying(kafka, topics, log, lanes=[LANE]) as [relay]:
        await until_relayed([relay], 15)
        log.away.add(1)
        for partition in LANE:
            await append(log, *grants(2), owner_id=owner_in(partition))
        await until_relayed([relay], 19)
        assert relay.positions == {0: 7, 1: 5, 2: 7}
        assert "partition 1 is detached" in caplog.text
        log.away.clear()
        await until_relayed([relay], 21)
    assert await relayed(kafka, topics) == list(log)


async def test_a_relay_that_finds_all_its_partitions_away_goes_on_when_they_are_back(kafka: str) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    log = LogInParts()
    for partition in LANE:
        await append(log, *grants(5), owner_id=owner_in(partition))
    log.away.update(LANE)
    async with relaying(kafka, topics, log, lanes=[LANE]) as [relay]:
        await until(lambda: has_started_over(relay))
        log.away.clear()
        await until_relayed([relay], 15)
    assert await relayed(kafka, topics) == list(log)


async def has_started_over(relay: LaneRelay) -> bool:
    return relay.restarts > 0


async def test_a_partition_whose_events_kafka_does_not_take_keeps_no_other_waiting(kafka: str) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    await limit_message_bytes(kafka, topics.events, 4_096)
    log = await log_of_each(5)
    too_large = attempt_failed(reason="x" * 10_000)
    await append(log, too_large, owner_id=owner_in(1))
    async with relaying(kafka, topics, log, lanes=[LANE]) as [relay]:
        await until_relayed([relay], 10)
        for _ in range(3):
            await append(log, *grants(1), owner_id=owner_in(2))
        await until_relayed([relay], 13)
        assert relay.positions.keys() == {0, 2}
        await limit_message_bytes(kafka, topics.events, 1 << 20)
        await until_relayed([relay], 19)
    assert await relayed(kafka, topics) == list(log)


async def test_a_relay_of_before_that_had_a_partition_to_itself_is_fenced(kafka: str) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    log = await log_of_each(5)
    async with producing(kafka, earlier_transactional_id_of(1, topics)) as earlier:
        await earlier.begin_transaction()
        await earlier.send_and_wait(topics.events, b"of a relay that was frozen here", partition=1)
        async with relaying(kafka, topics, log, lanes=[LANE]) as [relay]:
            await until_relayed([relay], 15)
            with pytest.raises(ProducerFenced):
                await earlier.commit_transaction()
    assert await relayed(kafka, topics) == list(log)


async def test_an_idle_relay_writes_a_checkpoint_and_a_busy_one_now_and_then(kafka: str) -> None:
    topics = await fresh_topics(kafka, len(LANE))
    log = await log_of_each(5)
    limits: Limits = replace(QUICK, records_max=1, checkpoint_seconds=0.5)
    async with relaying(kafka, topics, log, limits, lanes=[LANE]) as [relay]:
        await until_relayed([relay], 15)

        async def are_written() -> bool:
            return {each.key for each in await committed(kafka, topics.checkpoints)} == {b"0", b"1", b"2"}

        await until(are_written)
        assert len(await committed(kafka, topics.checkpoints)) < 15
