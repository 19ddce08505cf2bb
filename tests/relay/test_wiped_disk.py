"""A broker loses its disk while everything runs, and its topics with it: the relay fills them again from the log."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.log import LogRecord, RecordedEvent
from domain.ports import FeedPosition
from embedded.brokers import Broker
from embedded.product import Process
from infrastructure.kafka.feed import KafkaEventFeed
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.settings import Settings
from schemas.topics import Topics
from tests.infrastructure.kafka.brokers import own_broker
from tests.infrastructure.kafka.messages import as_shown
from tests.infrastructure.postgres.database import fresh_database
from tests.keys import keys_on
from tests.relay.logs import append, grants
from tests.stack.servers import Database

TOPICS = Topics("wiped")
BURST_EVENTS = 20
PAUSE_SECONDS = 0.02
POLL_SECONDS = 0.05
DEADLINE_SECONDS = 60.0
"""A broker starts, the relay finds its topics missing, makes them, and sends the whole log."""


async def wipe(server: Broker, folder: Path) -> None:
    server.kill()
    await server.wait()
    await asyncio.to_thread(shutil.rmtree, folder)
    await server.start()


@asynccontextmanager
async def writing(store: PostgresEventStore) -> AsyncIterator[None]:
    async def write() -> None:
        version = 0
        while True:
            await append(store, *grants(BURST_EVENTS, first=version + 1), version=version)
            version += BURST_EVENTS
            await asyncio.sleep(PAUSE_SECONDS)  # a load, not a wait

    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(write())
        yield
        writer.cancel()


@asynccontextmanager
async def following(bootstrap: str) -> AsyncIterator[list[RecordedEvent]]:
    """What a projector would be shown, from the first event on, through whatever happens to the broker."""
    feed = KafkaEventFeed(bootstrap, TOPICS)
    shown: list[RecordedEvent] = []

    async def follow() -> None:
        await feed.follow({0: FeedPosition()})
        while True:
            batch = await feed.next_batch(0.5, 1_000)
            shown.extend(each.record for sent in batch.values() for each in sent)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow())
        try:
            yield shown
        finally:
            task.cancel()
            await feed.close()


@pytest.mark.slow
async def test_a_broker_that_lost_its_disk_under_load_is_filled_again(
    postgres: Database, tmp_path: Path
) -> None:
    async with (
        own_broker(tmp_path, TOPICS) as server,
        fresh_database(postgres) as database_url,
        await create_pool(database_url) as pool,
    ):
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        settings = Settings(
            database_url=database_url,
            kafka_bootstrap=server.bootstrap,
            topic_prefix=TOPICS.prefix,
            partitions=1,
        )
        relay = Process("relay", settings, tmp_path / "relay.log")
        await relay.start()
        try:
            async with (
                PostgresEventStore(pool, 1, keys_on(pool)) as store,
                PostgresEventLog(pool, 1) as log,
                following(server.bootstrap) as shown,
            ):
                async with writing(store):
                    await until_shown(shown, 1)
                    await wipe(server, tmp_path / "kafka")
                    await until_shown(shown, len(shown) + 1)
                    await wipe(server, tmp_path / "kafka")
                    await until_shown(shown, len(shown) + 1)
                head = await log.head(0)
                await until_shown(shown, head)
                assert shown == as_shown(*await whole(log))
                assert await from_the_beginning(server.bootstrap, head) == shown
            assert relay.pid is not None
        finally:
            await relay.stop()


async def whole(log: PostgresEventLog) -> list[LogRecord]:
    records: list[LogRecord] = []
    while part := await log.read(0, len(records), 10_000):
        records += part
    return records


async def until_shown(shown: list[RecordedEvent], count: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(shown) < count:  # the feed fills the list in another task
            await asyncio.sleep(POLL_SECONDS)


async def from_the_beginning(bootstrap: str, count: int) -> list[RecordedEvent]:
    """As a new reader of the topic is shown it: nothing is left of the disk that held the first half."""
    async with following(bootstrap) as shown:
        await until_shown(shown, count)
        return shown
