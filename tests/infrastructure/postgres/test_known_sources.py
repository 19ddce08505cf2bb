"""Where somebody has logged in lately is remembered, for a while and without saying where that was."""

from uuid import uuid4

from infrastructure.postgres.known_sources import PER_USER_MAX, PostgresKnownSources
from infrastructure.postgres.pool import Pool
from tests.builders import ANNA, BERT


async def test_a_source_is_known_for_the_user_who_was_there(pool: Pool) -> None:
    known = PostgresKnownSources(pool)
    await known.remember(ANNA, "198.51.100.1")
    assert await known.is_known(ANNA, "198.51.100.1")
    assert not await known.is_known(BERT, "198.51.100.1")
    assert not await known.is_known(ANNA, "198.51.100.2")


async def test_a_source_is_forgotten_when_nobody_comes_from_there_any_more(pool: Pool) -> None:
    known = PostgresKnownSources(pool)
    await known.remember(ANNA, "198.51.100.1")
    await pool.execute("update known_sources set known_until = now() - interval '1 second'")
    assert not await known.is_known(ANNA, "198.51.100.1")
    await known.remember(ANNA, "198.51.100.2")
    assert await pool.fetchval("select count(*) from known_sources where user_id = $1", ANNA) == 1


async def test_being_there_again_is_written_once_a_day(pool: Pool) -> None:
    known, user_id = PostgresKnownSources(pool), uuid4()
    await known.remember(user_id, "198.51.100.1")
    row = "select xmin::text from known_sources where user_id = $1"
    first = await pool.fetchval(row, user_id)
    await known.remember(user_id, "198.51.100.1")
    assert await pool.fetchval(row, user_id) == first
    await pool.execute("update known_sources set known_until = known_until - interval '2 days'")
    aged = await pool.fetchval(row, user_id)
    await known.remember(user_id, "198.51.100.1")
    assert await pool.fetchval(row, user_id) != aged


async def test_only_the_latest_sources_of_a_user_are_kept(pool: Pool) -> None:
    known, user_id = PostgresKnownSources(pool), uuid4()
    for number in range(PER_USER_MAX + 1):
        await known.remember(user_id, f"198.51.100.{number}")
    assert not await known.is_known(user_id, "198.51.100.0")
    assert await known.is_known(user_id, f"198.51.100.{PER_USER_MAX}")


async def test_no_source_is_stored_in_the_clear(pool: Pool) -> None:
    await PostgresKnownSources(pool).remember(ANNA, "198.51.100.1")
    assert b"198" not in await pool.fetchval("select source from known_sources where user_id = $1", ANNA)
