"""The log's table by itself: append-only, readable by people, and of one number of partitions for ever."""

from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.log import StreamHead
from infrastructure.postgres.__main__ import bring_up_to_date
from infrastructure.postgres.errors import DatabaseNotMigrated, DatabaseUnavailable, PartitionCountMismatch
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.partition_count import claim_partition_count
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from infrastructure.settings import Settings
from tests.builders import ANNA
from tests.contracts.log_entries import append, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.keys import keys_on


@pytest.mark.parametrize(
    "statement",
    ["update events set actor = 'somebody else'", "delete from events", "truncate events"],
)
async def test_what_is_in_the_log_stays_as_it_is(
    pool: Pool, store: PostgresEventStore, statement: str
) -> None:
    await store.append([append(ANNA, 1)], provenance())
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await pool.execute(statement)


async def test_people_read_the_data_as_json(pool: Pool, store: PostgresEventStore) -> None:
    await store.append([append(ANNA, 42)], provenance())
    assert await pool.fetchval("select data->>'minutes' from events_readable") == "42"


@pytest.mark.parametrize("content", [b"no json", b"\xff\xfe", b'"\\u0000"', b""])
async def test_people_also_see_data_that_is_no_json(pool: Pool, content: bytes) -> None:
    assert await pool.fetchval("select readable_json($1) is not null", content)


async def test_a_log_keeps_the_number_of_partitions_it_was_started_with(
    pool: Pool, store: PostgresEventStore
) -> None:
    with pytest.raises(PartitionCountMismatch, match=f"STENOLOG_PARTITIONS={PARTITION_COUNT}"):
        await PostgresEventLog(pool, PARTITION_COUNT + 1).__aenter__()
    with pytest.raises(PartitionCountMismatch):
        await PostgresEventStore(pool, 1, keys_on(pool)).__aenter__()


async def test_the_migration_command_writes_the_number_down(empty_database_url: str) -> None:
    settings = Settings(database_url=empty_database_url, partitions=3)
    await bring_up_to_date(settings)
    await bring_up_to_date(settings)
    with pytest.raises(PartitionCountMismatch):
        await bring_up_to_date(Settings(database_url=empty_database_url, partitions=4))


@pytest.mark.parametrize("partition_count", [1, 2, 5, 16])
async def test_each_of_any_number_of_partitions_has_a_table_of_its_own(
    pool: Pool, partition_count: int
) -> None:
    async with PostgresEventStore(pool, partition_count, keys_on(pool)) as store:
        for partition in range(partition_count):
            owner_id = UUID(int=partition)
            await store.append([append(owner_id, *range(1, partition + 2))], provenance())
            await store.append([append(owner_id, 1, at=partition + 1)], provenance())
            tails = await store.read_streams({f"quota-{owner_id}": StreamHead()}, 100, owner_id)
            assert len(tails[f"quota-{owner_id}"].events) == partition + 2
            assert await pool.fetchval(f"select max(seq) from events_{partition}") == partition + 2
    tables = "select count(*) from pg_inherits where inhparent = 'events'::regclass"
    assert await pool.fetchval(tables) == partition_count


async def test_who_runs_a_process_need_not_be_allowed_to_create_tables(empty_database_url: str) -> None:
    """But whoever starts it on a log that nobody has prepared is told to run the migration."""
    async with await create_pool(empty_database_url) as owner:
        await migrate(owner, LOG_COMPONENT, LOG_MIGRATIONS)
        role = f"api_{uuid4().hex}"
        await owner.execute(
            f"create role {role} login password 'api'; grant select on all tables in schema public to {role};"
            f"grant insert on events, log_settings to {role}; grant update on log_partitions to {role}"
        )
        url = urlsplit(empty_database_url)
        theirs = url._replace(netloc=f"{role}:api@{url.hostname}:{url.port}").geturl()
        async with await create_pool(theirs) as pool:
            with pytest.raises(DatabaseNotMigrated, match="stenolog migrate"):
                await PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)).__aenter__()
            await claim_partition_count(owner, PARTITION_COUNT)
            await owner.execute(f"grant select on all tables in schema public to {role}")
            async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store:
                await store.append([append(ANNA, 1)], provenance())
                assert len(await store.read_stream(f"quota-{ANNA}")) == 1
        await owner.execute(f"drop owned by {role}; drop role {role}")


async def test_a_database_without_a_log_is_said_to_be_one(empty_database_url: str) -> None:
    async with await create_pool(empty_database_url) as pool:
        with pytest.raises(DatabaseNotMigrated, match="stenolog migrate"):
            await PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)).__aenter__()


async def test_a_server_that_is_not_there_is_waited_for_until_the_deadline() -> None:
    with pytest.raises(DatabaseUnavailable):
        await create_pool("postgresql://nobody@127.0.0.1:1/nothing", connect_seconds=0.2)


async def test_a_page_is_bounded_in_bytes_and_still_gets_on(
    monkeypatch: pytest.MonkeyPatch, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    owner_id = UUID(int=0)
    await store.append([append(owner_id, *range(1, 11))], provenance())
    [first] = await log.read(0, 0, 1)
    monkeypatch.setattr("infrastructure.postgres.log.READ_BYTES_MAX", 3 * len(first.data))
    assert [record.seq for record in await log.read(0, 0, 100)] == [1, 2, 3]
    monkeypatch.setattr("infrastructure.postgres.log.READ_BYTES_MAX", 1)
    assert [record.seq for record in await log.read(0, 4, 100)] == [5, 6]
    assert [record.seq for record in await log.read(0, 9, 100)] == [10]
