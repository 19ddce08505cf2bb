"""A partition that is taken out of the log: what is about it says so, everything else goes on, and it can come back."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.log import Address, LogRecord, StreamHead
from domain.ports import PartitionDetached, StoredCredentials
from embedded.postgres import programs_folder
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.detached import detached_partitions
from infrastructure.postgres.errors import TableDetached
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.store import PostgresEventStore
from tests.builders import registered
from tests.contracts.log_entries import append, grants, heads, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.keys import keys_on

AWAY = 3
THERE = [partition for partition in range(PARTITION_COUNT) if partition != AWAY]
PLANNED = 10
"""How often a query is asked until PostgreSQL keeps its plan."""
DETACH = f"alter table events detach partition events_{AWAY}"
ATTACH = f"alter table events attach partition events_{AWAY} for values in ({AWAY})"
MOVE = f"{DETACH}; alter table events_{AWAY} rename to elsewhere"
MOVE_BACK = f"alter table elsewhere rename to events_{AWAY}; {ATTACH}"

detached_or_moved = pytest.mark.parametrize(
    ("take_away", "bring_back"), [(DETACH, ATTACH), (MOVE, MOVE_BACK)], ids=["detached", "moved"]
)


def owner_in(partition: int) -> UUID:
    return UUID(int=uuid4().int // PARTITION_COUNT * PARTITION_COUNT + partition)


async def people(store: PostgresEventStore) -> Sequence[UUID]:
    """One in each partition, with two events."""
    owners = [owner_in(partition) for partition in range(PARTITION_COUNT)]
    for owner_id in owners:
        await store.append([append(owner_id, 1, 2)], provenance())
    return owners


def head_of(owner_id: UUID) -> dict[str, StreamHead]:
    return {f"quota-{owner_id}": StreamHead()}


async def records(log: PostgresEventLog) -> list[LogRecord]:
    return [each for partition in range(PARTITION_COUNT) for each in await log.read(partition, 0, 100)]


@detached_or_moved
async def test_commands_and_loads_of_a_partition_that_is_away_say_so(
    pool: Pool, store: PostgresEventStore, take_away: str, bring_back: str
) -> None:
    owner_id = (await people(store))[AWAY]
    for _ in range(PLANNED):
        await store.read_streams(head_of(owner_id), 10, owner_id)
    await pool.execute(take_away)
    for about in (
        store.append([append(owner_id, 3, at=2)], provenance()),
        store.append([append(owner_in(AWAY), 1)], provenance()),
        store.read_streams(head_of(owner_id), 10, owner_id),
        store.read_streams(head_of(owner_id), 10),
        store.read_stream(f"quota-{owner_id}"),
    ):
        with pytest.raises(PartitionDetached, match="partition 3 is detached") as refused:
            await about
        assert refused.value.partitions == {AWAY}
    await pool.execute(bring_back)
    assert await store.append([append(owner_id, 3, at=2)], provenance()) == Address(AWAY, 3)
    tails = await store.read_streams(head_of(owner_id), 10, owner_id)
    assert list(tails[f"quota-{owner_id}"].events) == grants(owner_id, 1, 2, 3)


@detached_or_moved
async def test_reading_a_partition_that_is_away_never_looks_like_its_end(
    pool: Pool, store: PostgresEventStore, log: PostgresEventLog, take_away: str, bring_back: str
) -> None:
    await people(store)
    before = await records(log)
    everywhere = dict.fromkeys(range(PARTITION_COUNT), 0)
    for _ in range(PLANNED):
        await log.read_each(everywhere, 10)
        await log.read(AWAY, 0, 10)
        await log.head(AWAY)
    await pool.execute(take_away)
    for reading in (log.read(AWAY, 0, 10), log.read_each(everywhere, 10), log.head(AWAY)):
        with pytest.raises(PartitionDetached) as refused:
            await reading
        assert refused.value.partitions == {AWAY}
    assert await detached_partitions(pool) == {AWAY}
    others = await log.read_each(dict.fromkeys(THERE, 0), 10)
    assert [len(others[partition]) for partition in THERE] == [2] * len(THERE)
    await pool.execute(bring_back)
    assert await records(log) == before
    assert await heads(log) == [2] * PARTITION_COUNT
    assert not await detached_partitions(pool)


async def test_the_other_partitions_take_commands_and_find_streams(
    pool: Pool, store: PostgresEventStore
) -> None:
    owners = await people(store)
    await pool.execute(DETACH)
    answers = await asyncio.gather(
        *(
            store.append([append(owners[partition], minutes, at=2, stream="quota")], provenance())
            for minutes, partition in enumerate([0, AWAY, 1, 2, AWAY], start=1)
        ),
        return_exceptions=True,
    )
    kinds = [Address, TableDetached, Address, Address, TableDetached]
    assert [type(answer) for answer in answers] == kinds
    for partition in THERE:
        tails = await store.read_streams(head_of(owners[partition]), 10)
        assert tails[f"quota-{owners[partition]}"].head.version == 3
    assert store.is_writing


async def test_of_loads_of_one_moment_only_those_of_the_partition_that_is_away_fail(
    pool: Pool, store: PostgresEventStore
) -> None:
    owners = await people(store)
    await pool.execute(DETACH)
    answers = await asyncio.gather(
        *(store.read_streams(head_of(owner_id), 10, owner_id) for owner_id in owners),
        return_exceptions=True,
    )
    assert isinstance(answers[AWAY], TableDetached)
    for partition in THERE:
        tails = answers[partition]
        assert not isinstance(tails, BaseException)
        assert list(tails[f"quota-{owners[partition]}"].events) == grants(owners[partition], 1, 2)


async def test_nobody_registers_in_a_partition_that_is_away(pool: Pool, store: PostgresEventStore) -> None:
    credentials = PostgresCredentials(pool, PARTITION_COUNT, store.announce, keys_on(pool))
    user_id = owner_in(AWAY)

    async def register() -> Address:
        entry = append(user_id, stream="user", events=[registered(user_id=user_id)])
        stored = StoredCredentials(user_id=user_id, password_hash=b"hash")
        return await credentials.register("anna@example.org", stored, [entry], provenance())

    await pool.execute(DETACH)
    with pytest.raises(PartitionDetached):
        await register()
    assert await credentials.find("anna@example.org") is None
    await pool.execute(ATTACH)
    assert await register() == Address(AWAY, 1)


async def test_what_is_attached_again_is_not_looked_through(pool: Pool, store: PostgresEventStore) -> None:
    """Its own constraint says what it holds, so that the log stands still for a moment only."""
    await people(store)
    await pool.execute(DETACH)
    async with pool.acquire() as connection, connection.transaction():
        scanned = f"select pg_stat_get_xact_tuples_returned('events_{AWAY}'::regclass)"
        before = await connection.fetchval(scanned)
        await connection.execute(ATTACH)
        assert await connection.fetchval(scanned) == before


async def run_program(name: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(programs_folder() / name, *arguments)
    assert await process.wait() == 0


async def test_a_partition_that_was_archived_and_dropped_comes_back_as_it_was(
    empty_database_url: str, tmp_path: Path
) -> None:
    archive = str(tmp_path / "events_3.dump")
    async with await create_pool(empty_database_url) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store:
            owner_id = (await people(store))[AWAY]
            await pool.execute(DETACH)
            dump = ("--format=custom", f"--table=events_{AWAY}", f"--file={archive}", empty_database_url)
            await run_program("pg_dump", *dump)
            await pool.execute(f"drop table events_{AWAY}")
            with pytest.raises(TableDetached):
                await store.append([append(owner_id, 3, at=2)], provenance())
            await run_program("pg_restore", f"--dbname={empty_database_url}", archive)
            await pool.execute(ATTACH)
            assert await store.append([append(owner_id, 3, at=2)], provenance()) == Address(AWAY, 3)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await pool.execute(f"truncate events_{AWAY}")


async def test_another_partitions_table_is_not_attached_in_its_place(
    pool: Pool, store: PostgresEventStore
) -> None:
    await people(store)
    await pool.execute(DETACH)
    await pool.execute("alter table events detach partition events_0")
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(f"alter table events attach partition events_0 for values in ({AWAY})")


@pytest.mark.parametrize("table", [f"events_{AWAY}", "events"])
@pytest.mark.parametrize("statement", ["update {} set actor = 'somebody'", "delete from {}", "truncate {}"])
@pytest.mark.parametrize("is_attached", [True, False])
async def test_no_table_of_the_log_can_be_changed(
    pool: Pool, store: PostgresEventStore, table: str, statement: str, is_attached: bool
) -> None:
    await people(store)
    if not is_attached:
        await pool.execute(DETACH)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await pool.execute(statement.format(table))


async def test_a_partition_holds_no_stream_twice(pool: Pool, store: PostgresEventStore) -> None:
    await people(store)
    columns = "stream_id, version, owner_id, type, schema_version, data, event_id, recorded_at, actor, correlation_id"
    with pytest.raises(asyncpg.UniqueViolationError, match="stream_id_version"):
        await pool.execute(
            f"insert into events (partition, seq, {columns}) select partition, 9, {columns} "
            "from events where seq = 1"
        )
