"""The log of the version before native partitions: moved whole or not at all, with all that hangs on it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from benchmarks.history import history
from benchmarks.stack import PARTITIONS
from domain.log import Decision, LogRecord
from infrastructure.postgres.appending import columns_of, new_events
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from tests.contracts.log_entries import append, grants, provenance
from tests.infrastructure.kafka.messages import until
from tests.infrastructure.postgres.old_log import NATIVE, digest, make_old_log
from tests.keys import keys_on

ROOT = Path(__file__).parents[3]
EVENTS = 3_000
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def told() -> list[LogRecord]:
    return list(history(EVENTS))


@pytest.fixture
async def old(empty_database_url: str, tmp_path: Path, told: list[LogRecord]) -> AsyncIterator[Pool]:
    async with await create_pool(empty_database_url) as pool:
        await make_old_log(pool, PARTITIONS, tmp_path, told)
        yield pool


async def bring_up_to_date(pool: Pool) -> list[str]:
    return [name for name in await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS) if name >= NATIVE]


async def rows_of(pool: Pool) -> list[LogRecord]:
    async with PostgresEventLog(pool, PARTITIONS) as log:
        return [each for partition in range(PARTITIONS) for each in await log.read(partition, 0, EVENTS)]


async def test_every_row_is_moved_as_it_was(old: Pool, told: list[LogRecord]) -> None:
    before = await digest(old)
    assert (await bring_up_to_date(old))[:1] == [NATIVE]
    assert await digest(old) == before == (EVENTS, before[1])
    assert await rows_of(old) == sorted(told, key=lambda record: record.address)
    assert await old.fetchval("select to_regclass('events_in_one')") is None


async def test_a_log_that_was_moved_is_read_and_appended_to(old: Pool, told: list[LogRecord]) -> None:
    await bring_up_to_date(old)
    last = told[-1]
    async with PostgresEventStore(old, PARTITIONS, keys_on(old)) as store:
        again = append(last.owner_id, 7, at=await version_of(old, f"quota-{last.owner_id}"))
        address = await store.append([again], provenance())
        assert address.seq == 1 + max(each.seq for each in told if each.partition == last.partition)
        assert (await store.read_stream(f"quota-{last.owner_id}"))[-1:] == grants(last.owner_id, 7)


async def version_of(pool: Pool, stream_id: str) -> int:
    found: int = await pool.fetchval("select max(version) from events where stream_id = $1", stream_id)
    return found


async def test_rights_on_the_log_stay(old: Pool) -> None:
    await old.execute(
        """
        do $$ begin create role an_auditor; exception when duplicate_object then null; end $$;
        grant select on events, log_heads, events_readable to an_auditor;
        grant insert on events to an_auditor with grant option
        """
    )
    await bring_up_to_date(old)
    for table in ("events", "events_0", "log_heads", "events_readable", "detached_partitions"):
        assert await old.fetchval("select has_table_privilege('an_auditor', $1, 'select')", table), table
    assert await old.fetchval(
        "select has_table_privilege('an_auditor', 'events', 'insert with grant option')"
    )
    assert not await old.fetchval("select has_table_privilege('an_auditor', 'events', 'delete')")
    await old.execute("drop owned by an_auditor; drop role an_auditor")


async def test_a_view_of_somebodys_own_keeps_the_log_as_it_was(old: Pool) -> None:
    """It is named, so that who made it can take it away and make it again."""
    await old.execute("create view of_mine as select * from events")
    before = await digest(old)
    with pytest.raises(asyncpg.DependentObjectsStillExistError) as refused:
        await bring_up_to_date(old)
    assert "of_mine" in str(refused.value.detail)
    assert await digest(old) == before


@asynccontextmanager
async def stopped_at_the_end(old: Pool) -> AsyncIterator[None]:
    """Keeps a migration, once it has moved all rows, from going on until the block ends."""
    async with old.acquire() as holder, holder.transaction():
        await holder.execute("comment on view events_readable is 'held'")
        yield


async def waits_for_the_view(pool: Pool) -> bool:
    waiting = "select count(*) from pg_locks where relation = 'events_readable'::regclass and not granted"
    return bool(await pool.fetchval(waiting))


async def test_a_migration_that_is_killed_leaves_the_old_log(old: Pool, empty_database_url: str) -> None:
    before = await digest(old)
    environment = {
        "STENOLOG_DATABASE_URL": empty_database_url,
        "STENOLOG_PARTITIONS": str(PARTITIONS),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "infrastructure.postgres"]
    async with stopped_at_the_end(old), asyncio.timeout(PATIENCE_SECONDS):
        migrating = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT)
        await until(lambda: waits_for_the_view(old))
        migrating.kill()
        await migrating.wait()
        # The server notices when it has something to say.
        await old.fetch("select pg_terminate_backend(pid) from pg_locks where not granted")
    assert await digest(old) == before
    assert await old.fetchval("select relkind::text from pg_class where oid = 'events'::regclass") == "r"
    await bring_up_to_date(old)
    assert await digest(old) == before


APPEND_OF_BEFORE = (
    "select * from append_events_v2(1000, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
)
READ_OF_BEFORE = "select version from read_streams_v1($1, array[0], array[null::uuid], 10)"


async def test_processes_of_the_version_before_wait_or_are_refused_and_then_go_on(old: Pool) -> None:
    owner_id = UUID(int=uuid4().int // PARTITIONS * PARTITIONS + 5)
    columns = [*columns_of([new_events([Decision([append(owner_id, 1)], provenance())], PARTITIONS)])]
    more = [*columns_of([new_events([Decision([append(owner_id, 2, at=1)], provenance())], PARTITIONS)])]
    async with old.acquire() as process, asyncio.timeout(PATIENCE_SECONDS):
        await process.fetch(APPEND_OF_BEFORE, *columns)
        async with stopped_at_the_end(old):
            migrating = asyncio.create_task(bring_up_to_date(old))
            await until(lambda: waits_for_the_view(old))
            with pytest.raises(asyncpg.LockNotAvailableError):
                await process.fetch(APPEND_OF_BEFORE, *more)
        await migrating
        [answer] = await process.fetch(APPEND_OF_BEFORE, *more)
        assert answer["conflicting_stream"] is None
        [again] = await process.fetch(APPEND_OF_BEFORE, *more)
        assert again["last_seq"] == answer["last_seq"]
        rows = await process.fetch(READ_OF_BEFORE, [f"quota-{owner_id}"])
        assert [row["version"] for row in rows] == [1, 2]
        page = await process.fetch("select seq from events where partition = $1 and seq > $2", 5, 0)
        assert [row["seq"] for row in page][-1] == answer["last_seq"]
