"""Reports arrive at the dispatcher, from where it left off, also when Kafka goes back in time."""

import asyncio
from collections.abc import Mapping

import pytest

from infrastructure.kafka.batches import Message
from infrastructure.kafka.failures import KafkaUnreachable
from infrastructure.kafka.producer import IdempotentProducer
from infrastructure.kafka.reports import ReportConsumer, ReportProducer
from infrastructure.kafka.topics import create_topics
from schemas.messages import ProgressReported, Report, WorkerReady, encode_report
from schemas.topics import Topics
from tests.builders import OTHER_WORKER, TRANSCRIPTION, WORKER
from tests.infrastructure.kafka.messages import (
    DEADLINE_SECONDS,
    committed,
    delete_topics,
    fresh_topics,
    producing,
)


def ready(slots: int = 1) -> WorkerReady:
    return WorkerReady(worker_id=WORKER, engine="scripted", slots=slots)


def progress(done_seconds: float) -> ProgressReported:
    return ProgressReported(
        worker_id=OTHER_WORKER,
        transcription_id=TRANSCRIPTION,
        attempt=1,
        done_seconds=done_seconds,
        total_seconds=90.0,
    )


async def send(kafka: str, topics: Topics, *reports: Report) -> None:
    async with ReportProducer(kafka, topics) as producer:
        for report in reports:
            await producer.send(report)


async def take(consumer: ReportConsumer, count: int) -> list[tuple[int, int, Report]]:
    taken: list[tuple[int, int, Report]] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(taken) < count:
            taken += await consumer.next_batch(1.0)
    return taken


async def received(kafka: str, topics: Topics, count: int, offsets: Mapping[int, int]) -> list[Report]:
    async with ReportConsumer(kafka, topics, offsets) as consumer:
        return [report for _, _, report in await take(consumer, count)]


async def test_reports_of_all_workers_arrive_each_worker_s_in_order(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=5)
    await send(kafka, topics, ready(), progress(1.0), ready(2), progress(2.0))
    async with ReportConsumer(kafka, topics) as consumer:
        taken = [report for _, _, report in await take(consumer, 4)]
    assert [each for each in taken if isinstance(each, WorkerReady)] == [ready(), ready(2)]
    assert [each for each in taken if isinstance(each, ProgressReported)] == [progress(1.0), progress(2.0)]


async def test_reading_goes_on_where_the_caller_says(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await send(kafka, topics, ready(1), ready(2), ready(3))
    async with ReportConsumer(kafka, topics) as consumer:
        partition, offset, _ = (await take(consumer, 3))[1]
    assert await received(kafka, topics, 1, {partition: offset + 1}) == [ready(3)]


async def test_reports_sent_by_many_tasks_at_once_all_arrive(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with ReportProducer(kafka, topics) as producer, asyncio.TaskGroup() as tasks:
        for slots in range(50):
            tasks.create_task(producer.send(ready(slots)))
    arrived = await received(kafka, topics, 50, {})
    assert {each.slots for each in arrived if isinstance(each, WorkerReady)} == set(range(50))


async def test_a_message_that_is_no_report_becomes_a_dead_letter(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with producing(kafka) as producer:
        await producer.send_and_wait(topics.reports, b'{"type": "Weather"}', b"who")
        await producer.send_and_wait(topics.reports, None, b"who")
    await send(kafka, topics, ready())
    assert await received(kafka, topics, 1, {}) == [ready()]
    assert [each.value for each in await committed(kafka, topics.dead_letters)] == [
        b'{"type": "Weather"}',
        None,
    ]


async def test_news_are_told_from_old_reports_when_the_topic_starts_anew(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await send(kafka, topics, ready(1), ready(2), ready(3))
    async with ReportConsumer(kafka, topics) as consumer:
        await take(consumer, 3)
        await delete_topics(kafka, topics.reports)
        await create_topics(kafka, topics, 1)
        await send(kafka, topics, ready(4), ready(5))
        assert [report for _, _, report in await take(consumer, 2)] == [ready(4), ready(5)]


async def test_old_reports_are_not_shown_again_when_reading_starts_over(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await send(kafka, topics, ready(1), ready(2))
    async with ReportConsumer(kafka, topics) as consumer:
        await take(consumer, 2)
        # As aiokafka does when the offset it asks for is gone.
        consumer._reader.seek(0, 0)
        assert await consumer.next_batch(0.7) == []
        await send(kafka, topics, ready(3))
        assert [report for _, _, report in await take(consumer, 1)] == [ready(3)]


async def test_an_offset_kafka_does_not_have_leads_to_the_beginning(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await send(kafka, topics, ready())
    assert await received(kafka, topics, 1, {0: 1_000}) == [ready()]


async def test_a_report_that_nobody_takes_is_given_back_at_the_deadline() -> None:
    producer = IdempotentProducer("127.0.0.1:1", deadline_seconds=0.5, try_seconds=0.2)
    with pytest.raises(KafkaUnreachable):
        await producer.send(Message("reports", None, b"who", encode_report(ready()), []))
    await producer.close()
