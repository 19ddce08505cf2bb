"""Rate limits: so many attempts at once, then one at a time, counted over all processes."""

import asyncio
from hashlib import sha256

import pytest

from infrastructure.postgres.pool import Pool
from infrastructure.postgres.rate_limits import AT_ONCE_MAX, PostgresRateLimit

HOUR = 3600
PATIENCE_SECONDS = 20.0


async def test_the_limit_is_allowed_and_the_next_attempt_is_not(pool: Pool) -> None:
    rate_limit = PostgresRateLimit(pool)
    assert [await rate_limit.allow("anna", 3, HOUR) for _ in range(3)] == [0, 0, 0]
    assert 0 < await rate_limit.allow("anna", 3, HOUR) <= HOUR / 3


async def test_keys_are_counted_apart(pool: Pool) -> None:
    rate_limit = PostgresRateLimit(pool)
    assert await rate_limit.allow("anna", 1, HOUR) == 0
    assert await rate_limit.allow("bert", 1, HOUR) == 0
    assert await rate_limit.allow("anna", 1, HOUR) > 0


async def test_a_refused_attempt_does_not_make_the_wait_longer(pool: Pool) -> None:
    await PostgresRateLimit(pool).allow("anna", 1, HOUR)
    first = await PostgresRateLimit(pool).allow("anna", 1, HOUR)
    for _ in range(10):
        await PostgresRateLimit(pool).allow("anna", 1, HOUR)
    assert await PostgresRateLimit(pool).allow("anna", 1, HOUR) <= first


async def test_a_key_that_is_refused_costs_the_database_nothing(pool: Pool) -> None:
    rate_limit = PostgresRateLimit(pool)
    await rate_limit.allow("anna", 1, HOUR)
    first = await rate_limit.allow("anna", 1, HOUR)
    await pool.execute("drop table rate_limits")
    assert 0 < await rate_limit.allow("anna", 1, HOUR) <= first


async def test_a_flood_of_attempts_leaves_connections_to_others(pool: Pool) -> None:
    async with pool.acquire() as other, other.transaction():
        await other.execute("lock table rate_limits in exclusive mode")
        rate_limit = PostgresRateLimit(pool)
        flood = [asyncio.create_task(rate_limit.allow(str(n), 1, HOUR)) for n in range(50)]
        waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await pool.fetchval(waiting) < AT_ONCE_MAX:
                await asyncio.sleep(0.01)
        assert await pool.fetchval(waiting) == AT_ONCE_MAX
    assert await asyncio.gather(*flood) == [0] * 50


async def test_after_the_wait_an_attempt_is_allowed(pool: Pool) -> None:
    rate_limit = PostgresRateLimit(pool)
    await rate_limit.allow("anna", 10, 1)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(20):
            while wait_seconds := await rate_limit.allow("anna", 10, 1):
                await asyncio.sleep(wait_seconds)


async def test_processes_that_count_at_the_same_time_allow_no_more(pool: Pool) -> None:
    processes = [PostgresRateLimit(pool) for _ in range(5)]
    waits = await asyncio.gather(
        *(process.allow("anna", 7, HOUR) for process in processes for _ in range(10))
    )
    assert waits.count(0) == 7


async def test_who_is_refused_by_a_row_that_was_written_meanwhile_is_refused(pool: Pool) -> None:
    async with pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute(
                "insert into rate_limits (key, full_at) values ($1, clock_timestamp() + interval '1 hour')",
                sha256(b"meanwhile").digest(),
            )
            trying = asyncio.create_task(PostgresRateLimit(pool).allow("meanwhile", 1, HOUR))
            await _until_somebody_waits(pool)
        assert await trying > 0


async def _until_somebody_waits(pool: Pool) -> None:
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while not await pool.fetchval(waiting):
            await asyncio.sleep(0.01)


async def test_no_key_is_stored_in_the_clear(pool: Pool) -> None:
    await PostgresRateLimit(pool).allow("anna@example.com", 1, HOUR)
    assert b"anna" not in await pool.fetchval("select key from rate_limits")


async def test_rows_that_no_longer_matter_are_purged(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infrastructure.postgres.rate_limits.CALLS_PER_PURGE", 3)
    rate_limit = PostgresRateLimit(pool)
    await rate_limit.allow("long", 10, HOUR)
    await pool.execute("insert into rate_limits values ('old', now() - interval '1 minute')")
    for _ in range(2):
        await rate_limit.allow("long", 10, HOUR)
    assert await pool.fetchval("select count(*) from rate_limits") == 1
