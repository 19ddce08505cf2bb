"""Brokers are killed under everything that uses them, and everybody goes on by themselves."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.log import RecordedEvent
from domain.ports import FeedPosition
from embedded.brokers import Broker
from embedded.product import Process
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.kafka.jobs import JobConsumer
from infrastructure.kafka.reports import ReportConsumer, ReportProducer
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.settings import Settings
from schemas.messages import WorkerReady
from schemas.topics import Topics
from tests.builders import ANNA, WORKER, started
from tests.infrastructure.kafka.brokers import frozen, kill_and_restart, own_broker
from tests.infrastructure.kafka.messages import DEADLINE_SECONDS, as_shown, newest_ends, until
from tests.infrastructure.postgres.database import fresh_database
from tests.keys import keys_on
from tests.relay.logs import append, grants, relayed, relaying
from tests.stack.servers import Database
from tests.stack.waiting import END_SECONDS

TOPICS = Topics("outages")
KILLS = 2


@pytest.fixture
async def broker_of_our_own(tmp_path: Path) -> AsyncIterator[Broker]:
    async with own_broker(tmp_path, TOPICS) as server:
        yield server


@pytest.mark.slow
async def test_the_topic_holds_the_log_and_the_feed_has_shown_it_once_after_each_outage(
    broker_of_our_own: Broker,
) -> None:
    log = InMemoryEventStore(1)
    bootstrap = broker_of_our_own.bootstrap
    feed = KafkaEventFeed(bootstrap, TOPICS)
    await feed.follow({0: FeedPosition()})
    shown: list[RecordedEvent] = []

    async def show() -> None:
        while True:
            batch = await feed.next_batch(0.5, 1_000)
            shown.extend(each.record for sent in batch.values() for each in sent)

    async def all_is_shown() -> bool:
        return len(shown) >= await log.head(0)

    async def all_is_committed() -> bool:
        return len(await relayed(bootstrap, TOPICS)) >= await log.head(0)

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
        # The feed shows what is sent, committed or not; a relay that ends now would take it back.
        await until(all_is_committed)
        showing.cancel()
    await feed.close()
    assert shown == as_shown(*log)
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
        for attempt in range(1, KILLS + 2):
            await append(log, started(attempt), owner_id=ANNA, version=attempt - 1)
            while started(attempt) not in await jobs.next_batch(1.0):
                pass
            ready = WorkerReady(worker_id=WORKER, engine="scripted", slots=attempt)
            await reporting.send(ready)
            while ready not in [report for _, _, report in await reports.next_batch(1.0)]:
                pass
            if attempt <= KILLS:
                await kill_and_restart(broker_of_our_own)


@pytest.mark.slow
async def test_a_relay_ends_in_time_when_its_broker_answers_nobody(
    broker_of_our_own: Broker, postgres: Database, tmp_path: Path
) -> None:
    async with fresh_database(postgres) as database_url, await create_pool(database_url) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        settings = Settings(
            database_url=database_url,
            kafka_bootstrap=broker_of_our_own.bootstrap,
            topic_prefix=TOPICS.prefix,
            partitions=1,
            lease_seconds=0.9,
        )
        relay = Process("relay", settings, tmp_path / "relay.log")
        await relay.start()
        async with PostgresEventStore(pool, 1, keys_on(pool)) as store:
            await append(store, *grants(1))
            await until_sent(broker_of_our_own.bootstrap)
            with frozen(broker_of_our_own):
                await append(store, *grants(1, first=2), version=1)
                assert relay.pid is not None
                os.kill(relay.pid, signal.SIGTERM)
                async with asyncio.timeout(END_SECONDS):
                    assert await relay.wait() == 0


async def until_sent(bootstrap: str) -> None:
    async def is_there() -> bool:
        return (await newest_ends(bootstrap, TOPICS.events))[0] > 0

    await until(is_there)
