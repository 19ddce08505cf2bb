"""A log whose end is not the one that was relayed is noticed while the relay runs, and nothing more is sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from domain.ports import EventLog
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.store import PostgresEventStore
from relay.kafka_state import LogBehindKafka, LogDiverged
from relay.relay import LaneRelay
from schemas.topics import Topics
from tests.builders import identity
from tests.infrastructure.kafka.messages import DEADLINE_SECONDS, fresh_topics
from tests.infrastructure.postgres.database import migrated_pool
from tests.keys import keys_on
from tests.relay.logs import QUICK, append, grants, log_of, relayed, until_relayed
from tests.stack.servers import Database

RARELY = replace(QUICK, check_seconds=DEADLINE_SECONDS)
"""It looks at the log at each turn, whatever it asks of Kafka."""


@asynccontextmanager
async def running(
    kafka: str, topics: Topics, log: EventLog
) -> AsyncIterator["tuple[LaneRelay, asyncio.Task[None]]"]:
    relay = LaneRelay((0,), log, kafka, topics, limits=RARELY)
    task: asyncio.Task[None] = asyncio.create_task(relay.run())
    try:
        yield relay, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def changeable(pool: Pool) -> AsyncIterator[Connection]:
    """The log's table as nobody but a failover can change it."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("alter table events disable trigger events_are_append_only")
        yield connection
        await connection.execute("alter table events enable trigger events_are_append_only")


@pytest.mark.parametrize("more", [0, 3], ids=["as long as before", "longer than before"])
async def test_another_event_under_the_last_number_stops_the_relay(kafka: str, more: int) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    there = list(log)
    async with running(kafka, topics, log) as (relay, task), asyncio.timeout(DEADLINE_SECONDS):
        await until_relayed([relay], 5)
        log._partitions[0][4] = replace(there[4], event_id=identity("after the failover"))
        if more:
            await append(log, *grants(more, first=6), version=5)
        with pytest.raises(LogDiverged, match="event 5 in Kafka is not event 5 of the log"):
            await task
    assert await relayed(kafka, topics) == there


async def test_a_log_that_has_lost_its_end_stops_the_relay(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    async with running(kafka, topics, log) as (relay, task), asyncio.timeout(DEADLINE_SECONDS):
        await until_relayed([relay], 5)
        log._partitions[0].pop()
        with pytest.raises(LogBehindKafka, match="Kafka has events up to 5 and the log ends at 4"):
            await task


async def test_a_failover_that_lost_commits_stops_the_relay_of_a_real_log(
    kafka: str, postgres: Database
) -> None:
    topics = await fresh_topics(kafka)
    async with (
        migrated_pool(postgres) as pool,
        PostgresEventStore(pool, 1, keys_on(pool)) as store,
        PostgresEventLog(pool, 1) as log,
    ):
        await append(store, *grants(5))
        there = list(await log.read(0, 0, 10))
        async with running(kafka, topics, log) as (relay, task), asyncio.timeout(DEADLINE_SECONDS):
            await until_relayed([relay], 5)
            async with changeable(pool) as connection:
                # The new primary had not received the last two commits.
                await connection.execute("delete from events where seq > 3")
            await append(store, *grants(3, first=11), version=3)
            # Which of the two it is depends on whether it looks before the next append or after it.
            with pytest.raises((LogDiverged, LogBehindKafka)):
                await task
        assert await relayed(kafka, topics) == there
        relay_again = LaneRelay((0,), log, kafka, topics, limits=RARELY)
        async with asyncio.timeout(DEADLINE_SECONDS):
            with pytest.raises(LogDiverged):
                await relay_again.run()


async def test_a_failover_between_two_looks_is_noticed_by_the_identity_of_the_last_event(
    kafka: str, postgres: Database
) -> None:
    topics = await fresh_topics(kafka)
    async with (
        migrated_pool(postgres) as pool,
        PostgresEventStore(pool, 1, keys_on(pool)) as store,
        PostgresEventLog(pool, 1) as log,
    ):
        await append(store, *grants(5))
        async with running(kafka, topics, log) as (relay, task), asyncio.timeout(DEADLINE_SECONDS):
            await until_relayed([relay], 5)
            async with changeable(pool) as connection:
                await connection.execute("update events set event_id = gen_random_uuid() where seq > 3")
            with pytest.raises(LogDiverged, match="did the database lose events in a failover"):
                await task
