"""A worker hears of what is assigned to it from when it listens, each event once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.events import Event
from domain.transcription_events import TranscriptionStarted
from infrastructure.kafka import reader
from infrastructure.kafka.jobs import JobConsumer, JobEvent
from infrastructure.kafka.topics import WrongPartitionCount, create_topics
from schemas.partitions import partition_of
from schemas.topics import Topics, headers_of, job_headers_of
from tests.builders import OTHER_WORKER, WORKER, attempt_failed, cancelled, granted, started
from tests.infrastructure.kafka.brokers import own_broker
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    committed,
    delete_topics,
    fresh_topics,
    producing,
    record,
)
from tests.stack.waiting import eventually


async def assign(
    kafka: str, topics: Topics, *jobs: tuple[int, Event], worker_id: UUID = WORKER, partition_count: int = 1
) -> None:
    """Sends events as the relay does, each with its `seq` in the log."""
    async with producing(kafka) as producer:
        for seq, event in jobs:
            sent = record(seq, event=event)
            await producer.send(
                topics.jobs,
                sent.data,
                str(worker_id).encode(),
                partition_of(worker_id, partition_count),
                headers=job_headers_of(headers_of(sent), sent.partition),
            )


async def take(jobs: JobConsumer, count: int) -> Sequence[JobEvent]:
    taken: list[JobEvent] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(taken) < count:
            taken += await jobs.next_batch(1.0)
    return taken


async def test_a_worker_hears_of_its_assignments_and_of_what_has_ended_without_it(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=3)
    told: list[Event] = [started(), attempt_failed(), started(2), cancelled(2, worker_id=WORKER)]
    async with JobConsumer(kafka, topics, 3, WORKER) as jobs:
        await assign(kafka, topics, *enumerate(told, 1), partition_count=3)
        assert await take(jobs, 4) == told


@pytest.mark.parametrize("wrong", [1, 2, 4, 256])
async def test_a_worker_that_was_told_another_number_of_partitions_does_not_listen(
    kafka: str, wrong: int
) -> None:
    topics = await fresh_topics(kafka, partition_count=3)
    with pytest.raises(WrongPartitionCount, match=f"has 3 partitions and STENOLOG_PARTITIONS is {wrong}"):
        async with JobConsumer(kafka, topics, wrong, WORKER):
            pytest.fail("it listens")


async def test_a_worker_hears_nothing_of_other_workers(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs:
        await assign(kafka, topics, (1, started(worker_id=OTHER_WORKER)), worker_id=OTHER_WORKER)
        await assign(kafka, topics, (2, started(2)))
        assert await take(jobs, 1) == [started(2)]


async def test_what_was_assigned_before_it_listened_is_not_for_this_run_of_the_worker(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await assign(kafka, topics, (1, started()))
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs:
        assert await jobs.next_batch(0.5) == []
        await assign(kafka, topics, (2, started(2)))
        assert await take(jobs, 1) == [started(2)]


async def test_nothing_is_missed_that_comes_before_the_first_look(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs:
        await assign(kafka, topics, *((seq, started(seq)) for seq in range(1, 6)))
        assert await take(jobs, 5) == [started(seq) for seq in range(1, 6)]


@pytest.mark.slow
async def test_who_comes_when_kafka_is_away_waits_for_it_however_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    topics = Topics("away")
    monkeypatch.setattr(reader, "REACH_SECONDS", 0.1)

    def says_what_it_waits_for() -> bool:
        return "waiting for Kafka" in caplog.text

    async def listen() -> Sequence[JobEvent]:
        async with JobConsumer(broker.bootstrap, topics, 1, WORKER) as jobs:
            listening.set()
            return await take(jobs, 1)

    listening = asyncio.Event()
    async with own_broker(tmp_path, topics) as broker, asyncio.timeout(3 * DEADLINE_SECONDS):
        broker.kill()
        await broker.wait()
        hearing = asyncio.create_task(listen())
        await eventually(says_what_it_waits_for, "it tries again and again", DEADLINE_SECONDS)
        await broker.start()
        await create_topics(broker.bootstrap, topics, 1)  # As a relay sees to where a broker forgets them.
        await listening.wait()
        await assign(broker.bootstrap, topics, (1, started()))
        assert await hearing == [started()]


async def test_jobs_can_be_awaited_one_by_one(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs, asyncio.timeout(DEADLINE_SECONDS):
        await assign(kafka, topics, (1, started()), (2, started(2)))
        attempts = []
        async for event in jobs:
            attempts.append(event.attempt)
            if len(attempts) == 2:
                break
    assert attempts == [1, 2]


async def test_a_job_that_is_sent_again_is_handed_out_once(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs:
        await assign(kafka, topics, (1, started()), (1, started()), (2, started(2)))
        assert await take(jobs, 2) == [started(), started(2)]
        await delete_topics(kafka, topics.jobs)
        await create_topics(kafka, topics, 1)
        await assign(kafka, topics, (1, started()), (2, started(2)), (3, started(3)))
        assert await take(jobs, 1) == [started(3)]


async def test_what_is_no_job_becomes_a_dead_letter(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    key = str(WORKER).encode()
    unknown = [*headers_of(record(3)), ("ce_type", b"TranscriptionSung")]
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs:
        async with producing(kafka) as producer:
            await producer.send(topics.jobs, b"hello", key, 0)
            await producer.send(topics.jobs, b"{}", key, 0, headers=unknown)
        await assign(kafka, topics, (4, granted(1)), (5, started()))
        assert await take(jobs, 1) == [started()]
    assert len(await committed(kafka, topics.dead_letters)) == 3


def telling(key: str | None) -> TranscriptionStarted:
    job = replace(started().job, prompt="Minutes of the board", vocabulary=("Nowak",), instructions_key=key)
    return replace(started(), job=job)


async def test_what_the_engine_is_told_is_not_in_the_job_but_where_it_lies_is(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs:
        await assign(kafka, topics, (1, telling("instructions/1.json")))
        [job] = await take(jobs, 1)
    assert isinstance(job, TranscriptionStarted)
    assert (job.job.instructions_key, job.job.prompt, job.job.vocabulary) == ("instructions/1.json", "", ())
    for message in await committed(kafka, topics.jobs):
        assert b"Minutes" not in (message.value or b"")
        assert b"Nowak" not in (message.value or b"")


async def test_a_job_that_cannot_be_done_as_it_was_asked_for_becomes_a_dead_letter(kafka: str) -> None:
    """One that was requested before there were objects for what the engine is told."""
    topics = await fresh_topics(kafka)
    async with JobConsumer(kafka, topics, 1, WORKER) as jobs:
        await assign(kafka, topics, (1, telling(None)), (2, started(2)))
        assert await take(jobs, 1) == [started(2)]
    assert len(await committed(kafka, topics.dead_letters)) == 1
