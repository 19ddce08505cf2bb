"""What is appended is told to whoever listens, after the commit; what is told at the same time is told together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.log import Decision
from infrastructure.postgres.announcing import Announcer
from infrastructure.postgres.appending import CHANNEL, columns_of, new_events
from infrastructure.postgres.listener import Listener
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.recorder import PostgresRecorder
from infrastructure.postgres.store import PostgresEventStore
from tests.builders import ANNA
from tests.contracts.log_entries import append, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.infrastructure.postgres.test_recorder import stored
from tests.stack.waiting import eventually


@asynccontextmanager
async def hearing(pool: Pool) -> AsyncIterator[list[str]]:
    heard: list[str] = []
    begun = asyncio.Event()
    async with Listener(pool, CHANNEL, heard.append, begun.set):
        await begun.wait()
        yield heard


async def test_what_is_announced_at_the_same_time_is_told_together(pool: Pool) -> None:
    async with hearing(pool) as heard:
        announcer = Announcer(pool)
        for partition in (3, 0, 3):
            announcer.announce(partition)
        announcing = asyncio.create_task(announcer.run())
        await eventually(lambda: heard == ["0,3"], "it is told")
        announcer.announce(1)
        await eventually(lambda: heard == ["0,3", "1"], "what came later is told, too")
        announcing.cancel()


async def test_an_append_is_told_and_nobody_waits_for_that(pool: Pool, store: PostgresEventStore) -> None:
    async with hearing(pool) as heard:
        address = await store.append([append(ANNA, 1)], provenance())
        await eventually(lambda: heard == [str(address.partition)], "it is told")


async def test_an_append_within_a_transaction_is_told_when_that_is_committed(
    pool: Pool, store: PostgresEventStore
) -> None:
    async with hearing(pool) as heard:
        async with pool.acquire() as connection, connection.transaction():
            address = await store.append_within(connection, [append(ANNA, 1)], provenance())
            await pool.fetchval("select 1")
            assert not heard
        await PostgresRecorder(pool, 3).insert_events([stored(2)])
        await eventually(lambda: heard == [str(address.partition), "3"], "both are told")


async def test_what_a_process_of_the_version_before_appends_is_told(
    pool: Pool, store: PostgresEventStore
) -> None:
    events = new_events([Decision([append(ANNA, 1)], provenance())], PARTITION_COUNT)
    arguments = ", ".join(f"${number}" for number in range(1, 16))
    async with hearing(pool) as heard:
        row = await pool.fetchrow(f"select * from append_events_v1({arguments})", *columns_of([events]))
        assert row is not None
        assert row["last_seq"] == 1
        await eventually(lambda: heard == [str(events.partition)], "it is told")
