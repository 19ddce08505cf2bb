"""Where a relay goes on, from what Kafka still has; and where it must not."""

import asyncio

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from msgspec.structs import replace

from infrastructure.kafka.tail import LOOK_SECONDS, Tails
from infrastructure.kafka.topics import create_topics
from infrastructure.memory import InMemoryEventStore
from relay.kafka_state import (
    HangingTransaction,
    KafkaPartition,
    KafkaState,
    LogBehindKafka,
    LogDiverged,
    Sent,
)
from relay.relay import LaneRelay
from schemas.checkpoints import RelayCheckpoint, encode_checkpoint
from schemas.topics import Topics
from tests.infrastructure.kafka.messages import (
    administering,
    delete_topics,
    fresh_topics,
    producing,
    publish,
    record,
    until,
)
from tests.relay.logs import QUICK, log_of, relay_all, relayed, relaying, until_relayed


def sent(seq: int) -> Sent:
    return Sent(seq, record(seq).event_id, offset=2 * seq)


@pytest.mark.parametrize(
    ("state", "resume_after", "reached"),
    [
        (KafkaState(), 0, 0),
        (KafkaState(checkpoint=7, last=sent(7)), 7, 7),
        (KafkaState(checkpoint=7, last=sent(4)), 4, 7),
        (KafkaState(checkpoint=4, last=sent(7)), 7, 7),
        (KafkaState(last=sent(7)), 7, 7),
        (KafkaState(checkpoint=7), 0, 7),
        (KafkaState(checkpoint=7, events_aged_out=True), 7, 7),
        (KafkaState(events_aged_out=True), 0, 0),
    ],
    ids=[
        "nothing in Kafka",
        "all is well",
        "events lost",
        "checkpoints lost",
        "checkpoints wiped",
        "events wiped",
        "events aged out",
        "all aged out and no checkpoint",
    ],
)
def test_the_last_event_in_kafka_decides_where_the_relay_goes_on(
    state: KafkaState, resume_after: int, reached: int
) -> None:
    assert (state.resume_after, state.reached) == (resume_after, reached)


async def test_events_are_sent_again_when_their_topic_was_wiped_and_the_checkpoints_were_not(
    kafka: str,
) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    await relay_all(kafka, topics, log)
    await recreate(kafka, topics, topics.events)
    async with relaying(kafka, topics, log) as [relay]:
        await until_relayed([relay], 5)
    assert await relayed(kafka, topics) == list(log)


async def test_nothing_is_repeated_when_the_checkpoints_were_wiped_and_the_events_were_not(
    kafka: str,
) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    await relay_all(kafka, topics, log)
    await recreate(kafka, topics, topics.checkpoints)
    await append_and_relay(kafka, topics, log)
    assert await relayed(kafka, topics) == list(log)


async def test_the_end_that_kafka_lost_is_sent_again(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    await publish(kafka, topics, list(log)[:3])
    await write_checkpoint(kafka, topics, 5)
    await relay_all(kafka, topics, log)
    assert await relayed(kafka, topics) == list(log)


async def test_events_that_retention_removed_are_not_sent_again(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    await relay_all(kafka, topics, log)
    await remove_all_records(kafka, topics.events)
    await append_and_relay(kafka, topics, log)
    assert [each.seq for each in await relayed(kafka, topics)] == [6]


async def test_the_end_is_found_behind_many_aborted_transactions(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    await relay_all(kafka, topics, log)
    async with producing(kafka, f"{topics.prefix}-aborting") as producer:
        for _ in range(20):
            await producer.begin_transaction()
            for _ in range(20):
                await producer.send(topics.events, b"never", partition=0)
            await producer.send(topics.checkpoints, b"never", b"0", partition=0)
            await producer.abort_transaction()
    await append_and_relay(kafka, topics, log)
    assert await relayed(kafka, topics) == list(log)


async def test_an_open_transaction_is_seen_and_a_finished_one_is_not(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    where = TopicPartition(topics.events, 0)
    async with Tails(kafka) as tails, producing(kafka, f"{topics.prefix}-slow") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topics.events, b"not yet", partition=0)
        assert await tails.held_up(where)
        await producer.commit_transaction()

        async def free() -> bool:
            return not await tails.held_up(where)

        await until(free)  # the broker writes its markers after it has answered the commit


class HangingTails:
    """Of a Kafka that lost the end of a transaction: nobody gets past it."""

    def __init__(self) -> None:
        self.patience_seconds: list[float] = []

    async def last(self, _where: TopicPartition, _understand: object, look_seconds: float) -> None:
        self.patience_seconds.append(look_seconds)
        raise TimeoutError

    async def held_up(self, _where: TopicPartition) -> bool:
        return True


async def test_a_transaction_that_never_ends_is_told_from_a_broker_that_is_away() -> None:
    tails = HangingTails()
    there = KafkaPartition(tails, Topics("test"), 0, settle_seconds=2.0)  # type: ignore[arg-type]  # all it asks
    with pytest.raises(HangingTransaction):
        await there.state()
    assert tails.patience_seconds == [2.0]


async def test_a_transaction_that_somebody_left_open_is_taken_for_hanging_long_before_a_slow_broker_is(
    kafka: str,
) -> None:
    topics = await fresh_topics(kafka)
    async with (
        Tails(kafka) as tails,
        producing(kafka, f"{topics.prefix}-slow") as producer,
        asyncio.timeout(LOOK_SECONDS),
    ):
        await producer.begin_transaction()
        await producer.send_and_wait(topics.events, b"not yet", partition=0)
        with pytest.raises(HangingTransaction):
            await KafkaPartition(tails, topics, 0, QUICK.settle_seconds).state()
        await producer.abort_transaction()


async def test_a_log_that_ends_before_kafka_does_is_refused(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await relay_all(kafka, topics, await log_of(5))
    restored = await log_of(4)
    with pytest.raises(LogBehindKafka, match="Kafka has events up to 5 and the log ends at 4"):
        await LaneRelay((0,), restored, kafka, topics, limits=QUICK).run()


async def test_a_log_that_ends_before_the_checkpoint_is_refused(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await write_checkpoint(kafka, topics, 5)
    with pytest.raises(LogBehindKafka):
        await LaneRelay((0,), await log_of(4), kafka, topics, limits=QUICK).run()


async def test_a_log_that_is_cut_short_under_a_relay_is_refused(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    relay = LaneRelay((0,), log, kafka, topics, limits=QUICK)
    await relay_all(kafka, topics, log)
    log._partitions[0].pop()
    with pytest.raises(LogBehindKafka):
        await relay.run()


async def test_another_log_is_refused(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await relay_all(kafka, topics, await log_of(5))
    with pytest.raises(LogDiverged, match="event 5 in Kafka is not event 5 of the log"):
        await LaneRelay((0,), await log_of(9), kafka, topics, limits=QUICK).run()


async def append_and_relay(kafka: str, topics: Topics, log: InMemoryEventStore) -> None:
    """One more event, by a relay that then has sent that one only."""
    last = list(log)[-1]
    log._store(replace(last, seq=last.seq + 1, version=last.version + 1, event_id=last.correlation_id))
    async with relaying(kafka, topics, log) as [relay]:
        await until_relayed([relay], 1)
        assert relay.events_relayed == 1


async def recreate(kafka: str, topics: Topics, name: str) -> None:
    await delete_topics(kafka, name)
    await create_topics(kafka, topics, 1)


async def write_checkpoint(kafka: str, topics: Topics, seq: int) -> None:
    checkpoint = encode_checkpoint(RelayCheckpoint(partition=0, seq=seq))
    async with producing(kafka) as producer:
        await producer.send_and_wait(topics.checkpoints, checkpoint, b"0", 0)


async def remove_all_records(kafka: str, topic: str) -> None:

    async with administering(kafka) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(-1)})
