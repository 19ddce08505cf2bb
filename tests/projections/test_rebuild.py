"""A rebuilt read model equals the live one, and nobody sees anything in between."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from domain.events import Event
from infrastructure.memory import InMemoryEventStore
from projections import users
from projections.batches import ProjectionFailed
from projections.checkpoints import Checkpoint
from projections.models import READ_MODELS
from projections.rebuild import AlreadyRebuilding, rebuild
from projections.users import USERS, UserRow
from tests.builders import identity
from tests.keys import READING
from tests.projections.lives import lived
from tests.projections.running import (
    checkpoints_of,
    contents,
    new_runner,
    project_all,
    running,
    until_reached,
)

Pool = asyncpg.Pool
NAMES = [f"user {number}" for number in range(21)]


async def rebuild_now(
    pool: "Pool[Any]", store: InMemoryEventStore, name: str = "users"
) -> list[tuple[int, int]]:
    """Rebuilds as the command does, on a connection of its own; returns the progress it told."""
    told: list[tuple[int, int]] = []
    async with pool.acquire() as connection:
        try:
            await rebuild(
                connection, store, READ_MODELS[name], READING, lambda done, of: told.append((done, of))
            )
        finally:
            await connection.execute("reset all")
    return told


async def schemas_of(pool: "Pool[Any]") -> set[str]:
    async with pool.acquire() as connection:
        rows = await connection.fetch("select nspname from pg_namespace where nspname like 'rebuild%'")
    return {str(row[0]) for row in rows}


@pytest.mark.parametrize("name", sorted(READ_MODELS))
async def test_a_rebuilt_read_model_equals_the_live_one(
    pool: "Pool[Any]", store: InMemoryEventStore, name: str
) -> None:
    await lived(store, NAMES)
    await project_all(pool, store)
    live, places = await contents(pool), await _places(pool)
    await rebuild_now(pool, store, name)
    assert await contents(pool) == live
    assert await _places(pool) == places
    assert await schemas_of(pool) == set()


async def test_a_rebuild_mends_a_table_that_went_wrong(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    await project_all(pool, store)
    live = await contents(pool)
    async with pool.acquire() as connection:
        await connection.execute("update users set quota_minutes = 0")
        await connection.execute("delete from users where email like '%1%'")
    await rebuild_now(pool, store)
    assert await contents(pool) == live


async def test_a_rebuilt_table_has_the_indexes_of_the_old_one(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    before = await _indexes(pool)
    for name in READ_MODELS:
        await rebuild_now(pool, store, name)
    assert await _indexes(pool) == before


async def test_a_rebuild_under_load_loses_and_repeats_nothing(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    rebuilt = asyncio.Event()

    async def load() -> int:
        lives = 0
        while not rebuilt.is_set():
            await lived(store, [f"late user {lives}"])
            lives += 1
        return lives

    async with running(new_runner(pool, store)):
        await until_reached(pool, store)
        async with asyncio.TaskGroup() as tasks:
            loading = tasks.create_task(load())
            for name in [*READ_MODELS] * 2:
                await rebuild_now(pool, store, name)
            rebuilt.set()
        await until_reached(pool, store)
    live = await contents(pool)
    for name in READ_MODELS:
        await rebuild_now(pool, store, name)
    assert await contents(pool) == live
    assert len(live["users"]) == len(NAMES) + loading.result()


async def test_a_reader_never_meets_an_old_or_empty_answer(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    await project_all(pool, store)
    done = asyncio.Event()

    async def read() -> int:
        answers = 0
        async with pool.acquire() as connection:
            while not done.is_set():
                for name in NAMES:
                    assert await users.find(connection, identity(name)) is not None
                    answers += 1
        return answers

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read()) for _ in range(3)]
        for _ in range(5):
            await rebuild_now(pool, store)
        done.set()
    assert sum(reader.result() for reader in readers) > 100


async def test_a_live_projector_that_was_overtaken_goes_on_behind_the_rebuild(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES[:7])
    await project_all(pool, store)
    await lived(store, NAMES[7:])
    await rebuild_now(pool, store)
    async with pool.acquire() as connection:
        there = await checkpoints_of(connection)
    assert {there["users", partition] for partition in range(4)} != {
        there["files", partition] for partition in range(4)
    }
    await project_all(pool, store)
    overtaken = await contents(pool)
    for name in READ_MODELS:
        await rebuild_now(pool, store, name)
    assert await contents(pool) == overtaken


async def test_what_an_interrupted_rebuild_left_behind_is_dropped(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    await project_all(pool, store)
    live = await contents(pool)
    async with pool.acquire() as connection:
        await connection.execute("create schema rebuild_users")
        await connection.execute("create table rebuild_users.users (half boolean)")
    await rebuild_now(pool, store)
    assert await contents(pool) == live
    assert await schemas_of(pool) == set()


async def test_two_rebuilds_of_one_read_model_do_not_meet(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    await project_all(pool, store)
    answers = await asyncio.gather(
        rebuild_now(pool, store), rebuild_now(pool, store), return_exceptions=True
    )
    assert sum(isinstance(answer, AlreadyRebuilding) for answer in answers) == 1


async def test_a_rebuild_that_fails_leaves_the_live_table_alone(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    def broken(row: UserRow | None, event: Event) -> UserRow | None:
        raise ZeroDivisionError(row, event)

    await lived(store, NAMES)
    await project_all(pool, store)
    live = await contents(pool)
    async with pool.acquire() as connection:
        with pytest.raises(ProjectionFailed):
            await rebuild(connection, store, replace(USERS, project=broken), READING, lambda *_: None)
        await connection.execute("reset all")
    assert await contents(pool) == live
    await rebuild_now(pool, store)
    assert await contents(pool) == live


async def test_a_rebuild_waits_for_a_long_reader_without_stopping_the_others(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    await project_all(pool, store)
    async with pool.acquire() as long, asyncio.TaskGroup() as tasks:
        reading = long.transaction()
        await reading.start()
        await long.fetch("select * from users")
        rebuilding = tasks.create_task(rebuild_now(pool, store))
        await _until_waiting(pool)
        async with pool.acquire() as other, asyncio.timeout(10):
            assert await users.find(other, identity(NAMES[0])) is not None
        assert not rebuilding.done()
        await reading.rollback()


async def test_progress_is_told_up_to_the_end(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    await lived(store, NAMES)
    told = await rebuild_now(pool, store)
    heads = sum([await store.head(partition) for partition in range(4)])
    assert told[-1] == (heads, heads)


def test_a_place_never_goes_back() -> None:
    after = Checkpoint({"a": 7, "b": 3}).advanced(5, 9)
    assert (after.seqs, after.next_offset) == ({"a": 7, "b": 5}, 9)


async def _places(pool: "Pool[Any]") -> dict[tuple[str, int], int]:
    async with pool.acquire() as connection:
        return await checkpoints_of(connection)


async def _indexes(pool: "Pool[Any]") -> list[str]:
    async with pool.acquire() as connection:
        rows = await connection.fetch(
            "select indexdef from pg_indexes where schemaname = 'read' order by indexname"
        )
    return [row[0] for row in rows]


async def _until_waiting(pool: "Pool[Any]") -> None:
    async with pool.acquire() as connection, asyncio.timeout(20):
        while not await connection.fetchval(  # the condition is in the database
            "select exists (select from pg_locks where not granted and mode = 'AccessExclusiveLock')"
        ):
            await asyncio.sleep(0.01)
