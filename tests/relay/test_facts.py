"""The topic of facts holds the state of each transcription, each state once, whatever is killed, lost or made anew."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from domain.log import LogRecord
from domain.transcription import TRANSCRIPTION
from embedded.brokers import Broker
from infrastructure.kafka.batches import Message
from infrastructure.kafka.topics import create_topics
from infrastructure.memory import InMemoryEventStore
from relay.facts import LaneFacts, Pace
from schemas.facts import TranscriptionFact, encode_fact, evolve_fact, fact_headers_of
from schemas.topics import Topics
from tests import builders as b
from tests.asyncapi import breaches
from tests.examples.logs import logged
from tests.infrastructure.kafka.brokers import kill_and_restart, own_broker
from tests.infrastructure.kafka.messages import (
    committed,
    delete_topics,
    fresh_topics,
    producing,
    record,
    until,
)
from tests.projections.lives import happened, lived
from tests.projections.system import PARTITION_COUNT, fresh_system
from tests.relay.logs import append, grants
from tests.stack.servers import Database
from tests.stack.waiting import eventually

QUICK = Pace(
    pause_seconds=0.01, poll_seconds=0.05, check_seconds=0.1, backoff_seconds_max=0.2, records_max=20
)
States = Mapping[str, TranscriptionFact]
"""By transcription."""


class EarlierInMemory:
    """Counts how often it was asked."""

    def __init__(self, log: Sequence[LogRecord] | InMemoryEventStore) -> None:
        self._log = log
        self.asked = 0

    async def read(self, partition: int, versions: Mapping[str, int]) -> Sequence[LogRecord]:
        self.asked += 1
        return [
            each for each in self._log if each.partition == partition and each.version < versions.get(each.stream_id, 0)
        ]  # fmt: skip


@asynccontextmanager
async def telling(
    kafka: str, topics: Topics, log: InMemoryEventStore, earlier: EarlierInMemory | None = None
) -> AsyncIterator[LaneFacts]:
    lane = tuple(range(log.partition_count))
    facts = LaneFacts(lane, log, earlier or EarlierInMemory(log), kafka, topics, pace=QUICK)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(facts.run())
        yield facts
        running.cancel()


def states_of(log: Sequence[LogRecord]) -> States:
    """Folded from the log."""
    facts: dict[str, TranscriptionFact | None] = {}
    for each in log:
        if each.stream_id.startswith(f"{TRANSCRIPTION.category}-"):
            facts[each.stream_id] = evolve_fact(facts.get(each.stream_id), each)
    return {str(fact.transcription_id): fact for fact in facts.values() if fact}


async def told(kafka: str, topics: Topics) -> Sequence[Any]:
    return await committed(kafka, topics.facts)


def latest(messages: Sequence[Any]) -> Mapping[str, bytes]:
    """What is left of the topic when it is compacted."""
    return {each.key.decode(): each.value for each in messages if each.value is not None}


async def until_told(kafka: str, topics: Topics, log: Sequence[LogRecord]) -> None:
    """Until the topic holds the states of the log."""
    expected = {key: encode_fact(fact) for key, fact in states_of(log).items()}

    async def is_told() -> bool:
        return latest(await told(kafka, topics)) == expected

    await until(is_told)


def require_each_state_once(messages: Sequence[Any]) -> None:
    """And in order."""
    versions: dict[bytes, list[int]] = {}
    for each in messages:
        versions.setdefault(each.key, []).append(int(dict(each.headers)["version"]))
    for found in versions.values():
        assert found == sorted(set(found))
    seqs = [(each.partition, int(dict(each.headers)["seq"])) for each in messages]
    assert seqs == sorted(seqs)
    assert max(Counter(seqs).values()) == 1


async def test_the_last_fact_of_each_transcription_is_its_state(kafka: str) -> None:
    topics, log = await fresh_topics(kafka, 2), InMemoryEventStore(2)
    async with telling(kafka, topics, log):
        await lived(log, [f"user {each}" for each in range(16)])
        await until_told(kafka, topics, list(log))
    messages = await told(kafka, topics)
    require_each_state_once(messages)
    assert list(breaches("transcriptions", messages)) == []
    assert {each.partition for each in messages} == {0, 1}


async def test_it_goes_on_after_the_last_fact_and_tells_nothing_again(kafka: str) -> None:
    topics, log = await fresh_topics(kafka), InMemoryEventStore(1)
    await happened(log, b.ANNA, b.requested(), b.started())
    async with telling(kafka, topics, log):
        await until_told(kafka, topics, list(log))
    before = await told(kafka, topics)
    await happened(log, b.ANNA, b.completed())
    earlier = EarlierInMemory(log)
    async with telling(kafka, topics, log, earlier):
        await until_told(kafka, topics, list(log))
        assert earlier.asked == 1
        await happened(log, b.ANNA, b.edited())
        await until_told(kafka, topics, list(log))
        assert earlier.asked == 1  # What was told last is still in memory.
    after = await told(kafka, topics)
    assert [each.offset for each in after[: len(before)]] == [each.offset for each in before]
    require_each_state_once(after)


async def test_a_topic_that_was_removed_is_filled_again(kafka: str) -> None:
    topics, log = await fresh_topics(kafka), InMemoryEventStore(1)
    await lived(log, ["anna", "bert", "carl"])
    async with telling(kafka, topics, log):
        await until_told(kafka, topics, list(log))
        await delete_topics(kafka, topics.facts)
        await create_topics(kafka, topics, 1)
        await until_told(kafka, topics, list(log))  # Although nothing new has happened.
    require_each_state_once(await told(kafka, topics))


async def test_facts_of_another_log_stop_it_until_the_topic_is_removed(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    topics, log = await fresh_topics(kafka), InMemoryEventStore(1)
    await lived(log, ["anna"])
    stranger = replace(
        record(3), event_id=b.identity("another log"), stream_id=f"transcription-{b.TRANSCRIPTION}"
    )
    async with producing(kafka) as producer:
        headers = fact_headers_of(stranger)
        await producer.send_and_wait(topics.facts, b"{}", b"key", 0, headers=headers)
    async with telling(kafka, topics, log):
        await eventually(lambda: "is this the right Kafka" in caplog.text, "it says why it stands still")
        assert len(await told(kafka, topics)) == 1
        await delete_topics(kafka, topics.facts)
        await create_topics(kafka, topics, 1)
        await until_told(kafka, topics, list(log))


async def test_an_event_that_is_not_known_stops_its_partition_alone(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    topics, log = await fresh_topics(kafka, 2), LogWithStranger(2)
    users = [b.identity(f"user {each}") for each in range(8)]
    for number, user_id in enumerate(users):
        requested = replace(b.requested(), transcription_id=b.identity(f"{number}"), user_id=user_id)
        await happened(log, user_id, requested)
    async with telling(kafka, topics, log):
        expected = [each for each in log if each.partition == 1]

        async def others_are_told() -> bool:
            return len(await told(kafka, topics)) >= len(expected)

        await until(others_are_told)
        await eventually(lambda: "run a newer Stenolog" in caplog.text, "it says why")
    assert {each.partition for each in await told(kafka, topics)} == {1}


class LogWithStranger(InMemoryEventStore):
    """The first event of partition 0 is of a version that nobody knows."""

    async def read_each(self, after: Mapping[int, int], limit: int) -> Mapping[int, Sequence[LogRecord]]:
        read = dict(await super().read_each(after, limit))
        read[0] = [replace(each, schema_version=99) if each.seq == 1 else each for each in read.get(0, [])]
        return read


async def test_a_fact_without_a_value_tells_how_far_it_is_as_well(kafka: str) -> None:
    topics, log = await fresh_topics(kafka), InMemoryEventStore(1)
    await happened(log, b.ANNA, b.requested(), b.started())
    last = list(log)[-1]
    async with producing(kafka) as producer:
        message = Message(topics.facts, 0, b"key", None, fact_headers_of(last))
        await producer.send_and_wait(topics.facts, None, b"key", 0, headers=message.headers)
    await append(log, *grants(1), owner_id=b.BERT)
    await happened(log, b.ANNA, b.completed())
    async with telling(kafka, topics, log):

        async def is_told() -> bool:
            return len(await told(kafka, topics)) > 1

        await until(is_told)
    assert [int(dict(each.headers)["version"]) for each in await told(kafka, topics)] == [2, 3]


@pytest.mark.slow
async def test_it_goes_on_after_each_outage_of_kafka(tmp_path: Path) -> None:
    topics, log = Topics("facts"), InMemoryEventStore(1)
    async with own_broker(tmp_path, topics) as broker:
        await outlive(broker, topics, log)
        require_each_state_once(await told(broker.bootstrap, topics))


async def outlive(broker: Broker, topics: Topics, log: InMemoryEventStore) -> None:
    async with telling(broker.bootstrap, topics, log):
        for kills in range(2):
            await lived(log, [f"user {kills} {each}" for each in range(8)])
            await until_told(broker.bootstrap, topics, list(log))
            await kill_and_restart(broker)
        await lived(log, ["the last one"])
        await until_told(broker.bootstrap, topics, list(log))


@pytest.mark.slow
async def test_a_process_that_is_killed_again_and_again_tells_each_state_once(
    postgres: Database, kafka: str, tmp_path: Path
) -> None:
    async with fresh_system(postgres, kafka, tmp_path) as system:
        topics = Topics(system.settings.topic_prefix)
        [process] = await system.start("relay")
        for kills in range(4):
            grown = len(await told(kafka, topics))
            living = asyncio.create_task(
                lived(system.store, [f"user {kills} {each}" for each in range(40)])
            )
            await until(has_more_than(kafka, topics, grown))
            process.kill()
            await process.wait()
            await living
            await process.start()
        await until_told(kafka, topics, await logged(system))
        messages = await told(kafka, topics)
        require_each_state_once(messages)
        assert {each.partition for each in messages} == set(range(PARTITION_COUNT))


def has_more_than(kafka: str, topics: Topics, count: int) -> Callable[[], Any]:
    async def has_more() -> bool:
        return len(await told(kafka, topics)) > count

    return has_more
