"""Migrations: each file once, in order, by however many processes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from infrastructure.postgres.errors import MigrationChanged
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool


@pytest.fixture
async def pool(empty_database_url: str) -> AsyncIterator[Pool]:
    async with await create_pool(empty_database_url) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "001_one.sql").write_text("create table one (n int); insert into one values (1);")
    (tmp_path / "002_two.sql").write_text("insert into one values (2);")
    return tmp_path


async def numbers(pool: Pool) -> list[int]:
    return [row["n"] for row in await pool.fetch("select n from public.one order by n")]


async def test_files_are_applied_in_order_and_named(pool: Pool, folder: Path) -> None:
    assert await migrate(pool, "trial", folder) == ["001_one.sql", "002_two.sql"]
    assert await numbers(pool) == [1, 2]


async def test_a_second_time_changes_nothing(pool: Pool, folder: Path) -> None:
    await migrate(pool, "trial", folder)
    assert await migrate(pool, "trial", folder) == []
    assert await numbers(pool) == [1, 2]


async def test_only_what_is_new_is_applied(pool: Pool, folder: Path) -> None:
    await migrate(pool, "trial", folder)
    (folder / "003_three.sql").write_text("insert into one values (3);")
    assert await migrate(pool, "trial", folder) == ["003_three.sql"]
    assert await numbers(pool) == [1, 2, 3]


async def test_processes_that_start_together_apply_each_file_once(pool: Pool, folder: Path) -> None:
    applied = await asyncio.gather(*(migrate(pool, "trial", folder) for _ in range(5)))
    assert sorted(map(len, applied)) == [0, 0, 0, 0, 2]
    assert await numbers(pool) == [1, 2]


async def test_a_file_that_fails_leaves_nothing_behind(pool: Pool, folder: Path) -> None:
    (folder / "003_three.sql").write_text("insert into none values (3);")
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(pool, "trial", folder)
    assert await pool.fetchval("select to_regclass('public.one')") is None


async def test_a_file_that_was_edited_after_it_was_applied_is_refused(pool: Pool, folder: Path) -> None:
    await migrate(pool, "trial", folder)
    (folder / "002_two.sql").write_text("insert into one values (20);")
    with pytest.raises(MigrationChanged, match="002_two"):
        await migrate(pool, "trial", folder)


async def test_a_file_without_a_number_is_refused(pool: Pool, folder: Path) -> None:
    (folder / "four.sql").write_text("select 4;")
    with pytest.raises(ValueError, match="NNN_words"):
        await migrate(pool, "trial", folder)


async def test_components_do_not_know_each_others_files(pool: Pool, folder: Path) -> None:
    await migrate(pool, "other", LOG_MIGRATIONS)
    assert await migrate(pool, "trial", folder) == ["001_one.sql", "002_two.sql"]


async def test_a_schema_of_read_models_does_not_catch_the_log(pool: Pool) -> None:
    await pool.execute("create schema read")
    await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
    assert await pool.fetchval("select to_regclass('public.events')::text") == "events"
    assert await pool.fetchval("select to_regclass('read.events')") is None


async def test_a_migration_that_takes_its_time_says_how_far_it_is(
    pool: Pool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telling = "do $$ begin raise notice 'moved 1 of 2 events'; end $$; create table if not exists one ()"
    (folder / "003_three.sql").write_text(telling)
    await migrate(pool, "trial", folder)
    assert capsys.readouterr().out == "moved 1 of 2 events\n"


async def test_one_connection_will_do(pool: Pool, folder: Path) -> None:
    async with pool.acquire() as connection:
        assert len(await migrate(connection, "trial", folder)) == 2
        # Its search path is its own again.
        assert await connection.fetchval("show search_path") == "read, public"
