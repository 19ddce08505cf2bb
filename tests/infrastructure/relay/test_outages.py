"""Brokers are killed under everything that uses them, and everybody goes on by themselves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.log import LogRecord
from domain.ports import FeedPosition
from infrastructure.devstack.brokers import Broker, broker_choice, embedded_broker, retention_ms
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.jobs import JobConsumer
from infrastructure.kafka.reports import ReportConsumer, ReportProducer
from infrastructure.kafka.topics import create_topics
from infrastructure.memory import InMemoryEventStore
from schemas.messages import WorkerReady
from schemas.topics import Topics
from tests.builders import ANNA, WORKER, started
from tests.infrastructure.kafka.messages import DEADLINE_SECONDS, until
from tests.infrastructure.relay.logs import append, grants, relayed, relaying

TOPICS = Topics("outages")
KILLS = 3


@pytest.fixture
async def broker_of_our_own(tmp_path: Path) -> AsyncIterator[Broker]:
    """The kind that the other tests use as well, but one that may be killed."""
    server = await embedded_broker(
        broker_choice(), tmp_path / "kafka", tmp_path / "kafka.log", _say_nothing
    )
    await server.start()
    try:
        await create_topics(server.bootstrap, TOPICS, 1, retention_ms(server))
        yield server
    finally:
        await server.stop()


def _say_nothing(_: str) -> None:
    """Which broker it is, the session's has said."""


async def kill_and_restart(server: Broker) -> None:
    server.kill()
    await server.wait()
    await server.start()


@pytest.mark.slow
async def test_the_topic_holds_the_log_and_the_feed_has_shown_it_once_after_each_outage(
    broker_of_our_own: Broker,
) -> None:
    log = InMemoryEventStore(1)
    bootstrap = broker_of_our_own.bootstrap
    feed = KafkaEventFeed(bootstrap, TOPICS)
    await feed.follow({0: FeedPosition()})
    shown: list[LogRecord] = []

    async def show() -> None:
        while True:
            batch = await feed.next_batch(0.5, 1_000)
            shown.extend(each.record for sent in batch.values() for each in sent)

    async def all_is_shown() -> bool:
        return len(shown) >= await log.head(0)

    async with relaying(bootstrap, TOPICS, log):
        showing = asyncio.create_task(show())
        for kills in range(KILLS):
            await append(log, *grants(50, first=100 * kills + 1), version=100 * kills)
            await until(all_is_shown)
            broker_of_our_own.kill()
            await append(log, *grants(50, first=100 * kills + 51), version=100 * kills + 50)
            await broker_of_our_own.wait()
            await broker_of_our_own.start()
            await until(all_is_shown)
        showing.cancel()
    await feed.close()
    assert shown == list(log)
    assert await relayed(bootstrap, TOPICS) == list(log)


@pytest.mark.slow
async def test_jobs_and_reports_arrive_after_each_outage(broker_of_our_own: Broker) -> None:
    log = InMemoryEventStore(1)
    bootstrap = broker_of_our_own.bootstrap
    async with (
        relaying(bootstrap, TOPICS, log),
        JobConsumer(bootstrap, TOPICS, 1, WORKER) as jobs,
        ReportProducer(bootstrap, TOPICS) as reporting,
        ReportConsumer(bootstrap, TOPICS) as reports,
        asyncio.timeout(3 * DEADLINE_SECONDS),
    ):
        for attempt in range(1, KILLS + 1):
            await append(log, started(attempt), owner_id=ANNA, version=attempt - 1)
            while started(attempt) not in await jobs.next_batch(1.0):
                pass
            ready = WorkerReady(worker_id=WORKER, engine="scripted", slots=attempt)
            await reporting.send(ready)
            while ready not in [report for _, _, report in await reports.next_batch(1.0)]:
                pass
            await kill_and_restart(broker_of_our_own)
