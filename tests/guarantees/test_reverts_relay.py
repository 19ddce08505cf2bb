"""Kafka holds exactly the log: with sends awaited, going on after the last event, and fencing, and without each."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import RecordMetadata, TopicPartition
from msgspec.structs import replace

from domain.log import LogRecord
from infrastructure.kafka.producer import Connect
from infrastructure.memory import InMemoryEventStore
from relay.relay import LaneRelay
from schemas.checkpoints import decode_checkpoint
from tests.builders import attempt_failed
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    administering,
    committed,
    fresh_topics,
    until,
)
from tests.relay.logs import QUICK, append, grants, log_of, relayed, until_relayed

MESSAGE_BYTES_MAX = 4_096
ONE_BY_ONE = replace(QUICK, records_max=1)


class UnawaitedProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka says nothing of its types
    """Says of every batch at once that it has arrived, as it looks to who never awaits the answer."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._sends: dict[TopicPartition, Iterator[int]] = defaultdict(count)

    async def send_batch(
        self, batch: Any, topic: str, *, partition: int
    ) -> "asyncio.Future[RecordMetadata]":
        sent = await super().send_batch(batch, topic, partition=partition)
        sent.add_done_callback(lambda future: future.cancelled() or future.exception())
        claimed: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        where = TopicPartition(topic, partition)
        claimed.set_result(RecordMetadata(topic, partition, where, next(self._sends[where]), -1, 0, 0))
        return claimed


async def is_whole_after_a_failed_batch(kafka: str, connect: Connect) -> bool:
    """Whether Kafka has the log up to some event, and no checkpoint that says more, although it refused one in the middle."""
    topics = await fresh_topics(kafka)
    await _limit_message_bytes(kafka, topics.events)
    log = InMemoryEventStore(1)
    await append(log, *grants(2), attempt_failed(reason="x" * 2 * MESSAGE_BYTES_MAX), *grants(2, first=3))
    relay = LaneRelay((0,), log, kafka, topics, limits=ONE_BY_ONE, connect=connect)
    running = asyncio.create_task(relay.run())

    async def has_come_to_an_end() -> bool:
        return relay.restarts >= 1 or relay.events_relayed >= 5

    await until(has_come_to_an_end)
    # While it runs: it alone ends the transactions that failed, before they expire.
    there = await relayed(kafka, topics)
    said = [decode_checkpoint(each.value).seq for each in await committed(kafka, topics.checkpoints)]
    await _ended(running)
    return there == list(log)[: len(there)] and max(said, default=0) <= len(there)


async def _limit_message_bytes(kafka: str, topic: str) -> None:
    limit = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
    async with administering(kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])


async def _ended(relay: "asyncio.Task[Any]") -> None:
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)


async def test_an_event_that_kafka_refused_is_not_passed_over(kafka: str) -> None:
    assert await is_whole_after_a_failed_batch(kafka, AIOKafkaProducer)


async def test_without_awaiting_its_sends_a_relay_passes_over_what_kafka_refused(kafka: str) -> None:
    assert not await is_whole_after_a_failed_batch(kafka, UnawaitedProducer)


class AnswerLost(KafkaError):  # type: ignore[misc]  # aiokafka says nothing of its types
    """The transaction was committed, and nobody learnt of it."""


def losing_the_second_answer() -> Connect:
    """Producers of which the first loses the answer to its second commit."""
    commits = count()

    class LosingProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka says nothing of its types
        async def commit_transaction(self) -> None:
            await super().commit_transaction()
            if next(commits) == 1:
                raise AnswerLost

    return LosingProducer


class CheckpointBelieved(LaneRelay):
    """Goes on after its checkpoint, whatever events lie behind it."""

    async def _look(self, *there: Any) -> None:
        unknown = [place for place in self._places if not place.is_known]
        await super()._look(*there)
        for place in unknown:
            place.seq, place.event_id = place.checkpoint or 0, None


async def repeated_after_a_lost_answer(kafka: str, kind: type[LaneRelay]) -> int:
    """How many events Kafka has more than once."""
    topics = await fresh_topics(kafka)
    log = await log_of(1)
    # The first event takes a checkpoint along, and no other comes while this lasts.
    limits = replace(QUICK, checkpoint_seconds=DEADLINE_SECONDS)
    relay = kind((0,), log, kafka, topics, limits=limits, connect=losing_the_second_answer())
    running = asyncio.create_task(relay.run())

    async def has_started_over() -> bool:
        return relay.restarts >= 1

    async def has_sent_the_last() -> bool:
        return list(log)[-1] in await relayed(kafka, topics)

    await until_relayed([relay], 1)
    await append(log, *grants(4, first=2), version=1)
    await until(has_started_over)
    await append(log, *grants(1, first=6), version=5)
    await until(has_sent_the_last)
    await _ended(running)
    there = await relayed(kafka, topics)
    assert {each.seq for each in there} == {*range(1, 7)}
    return len(there) - 6


async def test_a_commit_whose_answer_got_lost_is_not_repeated(kafka: str) -> None:
    assert await repeated_after_a_lost_answer(kafka, LaneRelay) == 0


async def test_a_relay_that_goes_on_after_its_checkpoint_repeats_events(kafka: str) -> None:
    assert await repeated_after_a_lost_answer(kafka, CheckpointBelieved) == 4


def unfenced(**settings: Any) -> AIOKafkaProducer:
    """A producer under an id that nobody else has."""
    return AIOKafkaProducer(**{**settings, "transactional_id": uuid4().hex})


async def relayed_by_two(kafka: str, connect: Connect) -> tuple[Sequence[LogRecord], Sequence[LogRecord]]:
    """What Kafka has and what the log has, when a second relay came and the first did not know that it was over."""
    topics = await fresh_topics(kafka)
    log = await log_of(1)
    # Long enough for the second to look between two transactions of a first that nobody has fenced.
    limits = replace(QUICK, settle_seconds=DEADLINE_SECONDS)
    first, second = (LaneRelay((0,), log, kafka, topics, limits=limits, connect=connect) for _ in range(2))
    running = [asyncio.create_task(first.run())]
    await until_relayed([first], 1)
    running.append(asyncio.create_task(second.run()))
    await _append_until_it_relays(log, first, second)

    async def both_have_come_to_an_end() -> bool:
        # Who is told of a failure that is no fencing begins anew, and then it is the other that is fenced.
        is_over = any(each.done() for each in running) or first.events_relayed == len(list(log))
        return is_over and list(log)[-1] in await relayed(kafka, topics)

    await until(both_have_come_to_an_end)
    ends = [await _end_of(each) for each in running]
    assert all(isinstance(end, ProducerFenced | asyncio.CancelledError) for end in ends)
    return await relayed(kafka, topics), list(log)


async def _append_until_it_relays(log: InMemoryEventStore, first: LaneRelay, second: LaneRelay) -> None:
    for version in count(1):
        await append(log, *grants(1, first=version + 1), version=version)
        await until_relayed([first, second], version + 1)
        if second.events_relayed:
            return


async def _end_of(relay: "asyncio.Task[Any]") -> BaseException | None:
    relay.cancel()
    return (await asyncio.gather(relay, return_exceptions=True))[0]


async def test_of_two_relays_the_older_is_fenced_and_each_event_is_there_once(kafka: str) -> None:
    there, log = await relayed_by_two(kafka, AIOKafkaProducer)
    assert there == log


async def test_without_fencing_two_relays_send_events_twice(kafka: str) -> None:
    there, log = await relayed_by_two(kafka, unfenced)
    assert len(there) > len(log)
