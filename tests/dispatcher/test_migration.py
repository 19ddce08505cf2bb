"""A database that an older version made gets the tables of this one, and the queue is folded again."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from dispatcher.migration import QUEUE, migrate_dispatch_tables
from dispatcher.queue import COLUMNS
from dispatcher.tables import PostgresDispatchTables
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.pool import READ_SCHEMA, create_pool
from tests.builders import ANNA, NOON, TRANSCRIPTION, WORKER, requested
from tests.dispatcher.test_tables import lease
from tests.infrastructure.postgres.database import fresh_database
from tests.projections.feeds import HeldLeases
from tests.projections.lives import happened
from tests.projections.running import new_runner, running, until
from tests.stack.servers import Database

# The tables as the first version made them.
OLD = """
create schema read;
create table read.dispatch_queue (
    transcription_id uuid        primary key,
    user_id          uuid        not null,
    requested_at     timestamptz not null,
    status           text        not null,
    due_at           timestamptz not null,
    failures         integer     not null,
    attempt          integer     not null,
    worker_id        uuid,
    started_at       timestamptz
);
create index dispatch_queue_queued on read.dispatch_queue (user_id, requested_at) where status = 'queued';
create table read.projection_checkpoints (
    projection  text    not null,
    partition   integer not null,
    seq         bigint  not null,
    next_offset bigint,
    primary key (projection, partition)
);
create table read.projection_failures (
    projection text        not null,
    partition  integer     not null,
    seq        bigint      not null,
    type       text        not null,
    error      text        not null,
    since      timestamptz not null,
    tries      integer     not null,
    primary key (projection, partition)
);
create table dispatch_workers (
    worker_id uuid        primary key,
    engine    text        not null,
    slots     integer     not null,
    seen_at   timestamptz not null
);
create table dispatch_leases (
    transcription_id uuid        primary key,
    attempt          integer     not null,
    worker_id        uuid        not null,
    user_id          uuid        not null,
    requested_at     timestamptz not null,
    expires_at       timestamptz not null
);
create table report_offsets (
    partition   integer primary key,
    next_offset bigint  not null
);
insert into report_offsets values (0, 7);
insert into read.projection_checkpoints values ('dispatch_queue', 0, 3, 3), ('quota', 0, 3, 3);
"""


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator["asyncpg.Pool[Any]"]:
    async with fresh_database(postgres) as url, await create_pool(url) as pool:
        yield pool


@pytest.fixture
async def old(pool: "asyncpg.Pool[Any]") -> "asyncpg.Pool[Any]":
    await pool.execute(OLD)
    await pool.execute(
        "insert into read.dispatch_queue values ($1, $2, $3, 'queued', $3, 0, 0)", TRANSCRIPTION, ANNA, NOON
    )
    await pool.execute(
        "insert into dispatch_leases values ($1, 1, $2, $3, $4, now())", TRANSCRIPTION, WORKER, ANNA, NOON
    )
    return pool


async def test_a_queue_of_the_version_before_is_folded_again(old: "asyncpg.Pool[Any]") -> None:
    await old.execute("delete from dispatch_leases")
    await migrate_dispatch_tables(old)
    tables, log = PostgresDispatchTables(old), InMemoryEventStore(partition_count=1)
    assert await tables.waiting_users(1, []) == []
    await happened(log, ANNA, requested())
    leases = HeldLeases(range(1))
    async with running(new_runner(old, log, leases=leases, projections=[QUEUE])):
        await until(lambda: _waits(tables))


async def _waits(tables: PostgresDispatchTables) -> bool:
    users = await tables.waiting_users(1, [])
    return [user.user_id for user in users] == [ANNA]


async def test_what_is_no_fold_stays(old: "asyncpg.Pool[Any]") -> None:
    await migrate_dispatch_tables(old)
    assert await PostgresDispatchTables(old).report_offsets() == {0: 7}
    assert await old.fetchval("select count(*) from dispatch_leases") == 1
    kept = await old.fetch("select projection from projection_checkpoints")
    assert [row["projection"] for row in kept] == ["quota"]


async def test_what_users_were_served_survives_a_queue_that_is_folded_again(
    pool: "asyncpg.Pool[Any]",
) -> None:
    await migrate_dispatch_tables(pool)
    await pool.execute("insert into dispatch_users values ($1, 5, 3600, 1)", ANNA)
    await PostgresDispatchTables(pool).grant(lease(), 30.0, 60.0)
    await pool.execute(f"alter table {READ_SCHEMA}.dispatch_queue add column of_tomorrow text")
    await migrate_dispatch_tables(pool)
    [user] = await pool.fetch("select waiting, finish_seconds from dispatch_users")
    assert tuple(user) == (0, 3660.0)
    assert await PostgresDispatchTables(pool).virtual_seconds() == 60.0


async def test_a_database_of_this_version_is_left_alone(pool: "asyncpg.Pool[Any]") -> None:
    await migrate_dispatch_tables(pool)
    await pool.execute("insert into projection_checkpoints values ('dispatch_queue', 0, 3, 3)")
    await migrate_dispatch_tables(pool)
    assert await pool.fetchval("select seq from projection_checkpoints") == 3
    there = await pool.fetch(
        "select column_name from information_schema.columns where table_name = 'dispatch_queue'"
    )
    assert {row["column_name"] for row in there} == COLUMNS
