"""The views for analysts say what the log says, and nothing about anybody."""

from collections.abc import AsyncIterator
from datetime import date, timedelta

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from domain.log import LogRecord
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.store import PostgresEventStore
from tests import builders as b
from tests.examples.numbers import Day, days_of
from tests.infrastructure.postgres.database import PARTITION_COUNT, migrated_pool
from tests.keys import keys_on
from tests.projections.lives import happened, lived
from tests.stack.servers import Database

VIEWS = ("counted_types", "days", "heard", "failures", "passed_over", "missing_partitions")
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
NAMES = [f"user {number}" for number in range(16)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(postgres: Database) -> AsyncIterator[Pool]:
    """With sixteen lives on one day, and one more completed transcription just before and just after midnight of the next."""
    async with (
        migrated_pool(postgres) as opened,
        PostgresEventStore(opened, PARTITION_COUNT, keys_on(opened)) as store,
    ):
        await lived(store, NAMES)
        midnight = b.NOON + timedelta(hours=12)
        for name, at in (("late", midnight - timedelta(microseconds=1)), ("early", midnight)):
            ids = {"user_id": b.identity(name), "transcription_id": b.identity(f"{name}'s")}
            heard = replace(b.completed(), completed_at=at, **ids)
            await happened(
                store,
                b.identity(name),
                replace(heard, result=replace(heard.result, language="fr", duration_seconds=None)),
                replace(b.debited(7), debited_at=at, **ids),
            )
        yield opened


async def log_of(pool: Pool) -> list[LogRecord]:
    async with PostgresEventLog(pool, PARTITION_COUNT) as log:
        return [record for each in range(PARTITION_COUNT) for record in await log.read(each, 0, 10_000)]


async def test_days_are_those_of_the_log(pool: Pool) -> None:
    rows = await pool.fetch(
        "select day, minutes, completed, failed, cancelled, failure_rate from analytics.days"
    )
    found = {str(row["day"]): Day(*list(row)[1:5]) for row in rows}
    expected = days_of(await log_of(pool))
    assert found == expected
    assert {str(row["day"]): row["failure_rate"] and float(row["failure_rate"]) for row in rows} == {
        day: numbers.failure_rate for day, numbers in expected.items()
    }
    assert found[str(SECOND)] == Day(minutes=7, completed=1)


async def test_what_was_heard_is_told_by_day_language_and_engine(pool: Pool) -> None:
    rows = await pool.fetch("select * from analytics.heard order by day, language")
    # Of each eight lives three come to a transcript, of which one has 45 s of sound.
    assert [tuple(row) for row in rows] == [
        (FIRST, "en", "scripted", 6, 72, 450.0, 18.0),
        (FIRST, "fr", "scripted", 1, 12, None, 3.0),
        (SECOND, "fr", "scripted", 1, 12, None, 3.0),
    ]


async def test_why_it_failed_is_told_by_day_and_reason(pool: Pool) -> None:
    assert [tuple(row) for row in await pool.fetch("select * from analytics.failures")] == [
        (FIRST, "lease_expired", 2, 2)
    ]


async def test_nothing_in_the_views_names_a_person(pool: Pool) -> None:
    shown = ""
    for view in VIEWS:
        shown += str([tuple(row) for row in await pool.fetch(f"select * from analytics.{view}")])
    for name in (*NAMES, "late", "early"):
        for word in (f"{name}@example.com", str(b.identity(name)), str(b.identity(f"{name}'s file"))):
            assert word not in shown
    assert "talk.mp3" not in shown


async def test_an_analyst_reads_the_views_and_nothing_else(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("set role stenolog_analyst")
        try:
            for view in VIEWS:
                await connection.fetch(f"select * from analytics.{view}")
            for table in (
                "events",
                "events_0",
                "events_readable",
                "credentials",
                "log_heads",
                "detached_partitions",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"select * from {table}")
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute("create table analytics.mine ()")
        finally:
            await connection.execute("reset role")


async def test_a_version_that_the_views_do_not_know_and_a_detached_partition_are_told_of(
    postgres: Database,
) -> None:
    async with (
        migrated_pool(postgres) as pool,
        PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store,
    ):
        await lived(store, NAMES)
        before = days_of(await log_of(pool))
        await pool.execute("alter table events disable trigger user")
        await pool.execute("update events set schema_version = 2 where type = 'QuotaDebited'")
        assert [tuple(row) for row in await pool.fetch("select * from analytics.passed_over")] == [
            ("QuotaDebited", 2, 6)
        ]
        assert before[str(FIRST)].minutes > 0
        assert await pool.fetchval("select sum(minutes) from analytics.days") == 0
        await pool.execute("alter table events detach partition events_1")
        assert await pool.fetchval("select partition from analytics.missing_partitions") == 1
