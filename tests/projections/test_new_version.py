"""A read model whose columns change is built anew beside the old one and switched to, under everybody's work."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec import Struct

from domain.events import Event
from domain.user import UserRegistered
from infrastructure.memory import InMemoryEventStore
from projections import checkpoints, models
from projections.models import READ_MODELS, migrate
from projections.projection import Projection
from projections.rebuild import rebuild
from projections.runner import Runner, Superseded
from projections.users import USERS
from tests.keys import READING
from tests.projections.feeds import HeldLeases, LogFeed
from tests.projections.lives import lived
from tests.projections.running import QUICK, checkpoints_of, new_runner, running, until, until_reached
from tests.projections.telling import told

Pool = asyncpg.Pool
NAMES = [f"user {number}" for number in range(21)]


class GreetedUser(Struct, frozen=True):
    """The row of a version that greets."""

    id: UUID
    greeting: str
    created_at: datetime


def project(row: GreetedUser | None, event: Event) -> GreetedUser | None:
    if isinstance(event, UserRegistered):
        return GreetedUser(event.user_id, f"Hello {event.email}", event.registered_at)
    return row


GREETED = Projection(
    name=USERS.name,
    row=GreetedUser,
    keys={UserRegistered: lambda event: event.user_id},
    project=project,
    queries={
        "create": "create table if not exists users "
        "(id uuid primary key, greeting text not null, created_at timestamptz not null)",
        "load": "select id, greeting, created_at from users where id = any($1::uuid[])",
        "store": "insert into users select * from json_populate_recordset(null::users, $1::json) "
        "on conflict (id) do update set greeting = excluded.greeting",
        "remove": "delete from users where id = any($1::uuid[])",
    },
    version=2,
)
NEW = {**READ_MODELS, USERS.name: GREETED}


def new_projector(pool: "Pool[Any]", store: InMemoryEventStore) -> Runner:
    leases = HeldLeases(range(store.partition_count))
    return Runner(pool, LogFeed(store), leases, list(NEW.values()), READING, pace=QUICK, event_log=store)


async def migrated_to_new(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    """What `stenolog migrate` of the new version does."""
    async with pool.acquire() as connection:
        for projection in await migrate(connection):
            await rebuild(connection, store, projection, READING, lambda _folded, _there: None)


async def until_the_others_have_reached(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    async def reached() -> bool:
        async with pool.acquire() as connection:
            there = await checkpoints_of(connection)
        heads = [(p, await store.head(p)) for p in range(store.partition_count)]
        return all(there[name, p] >= head for p, head in heads for name in READ_MODELS if name != "users")

    await until(reached)


async def greetings(pool: "Pool[Any]") -> set[str]:
    return {str(row["greeting"]) for row in await pool.fetch("select greeting from users")}


def wanted(store: InMemoryEventStore) -> set[str]:
    return {f"Hello {row[1]}" for row in told(store)["users"]}


async def test_the_old_version_works_on_beside_the_switch_and_leaves_the_new_table_alone(
    pool: "Pool[Any]", store: InMemoryEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go_on_living() -> None:
        for number in range(40):
            await lived(store, [f"meanwhile {number}"])
            await asyncio.sleep(0)

    async with running(new_runner(pool, store)), asyncio.TaskGroup() as tasks:
        await lived(store, NAMES)
        await until_reached(pool, store)
        tasks.create_task(go_on_living())
        monkeypatch.setattr(models, "READ_MODELS", NEW)
        await migrated_to_new(pool, store)
        await lived(store, ["after the switch"])
        await until_the_others_have_reached(pool, store)
        assert await greetings(pool) <= wanted(store)
    await lived(store, ["nobody projects"])
    async with running(new_projector(pool, store)):
        await until_reached(pool, store)
    assert await greetings(pool) == wanted(store)
    assert len(wanted(store)) > len(NAMES)


async def test_a_migration_that_is_repeated_finds_nothing_to_rebuild(
    pool: "Pool[Any]", store: InMemoryEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(new_runner(pool, store)):
        await lived(store, NAMES)
        await until_reached(pool, store)
    async with pool.acquire() as connection:
        assert await migrate(connection) == []
    monkeypatch.setattr(models, "READ_MODELS", NEW)
    async with pool.acquire() as connection:
        assert await migrate(connection) == [GREETED]
    await migrated_to_new(pool, store)
    async with pool.acquire() as connection:
        assert await migrate(connection) == []
    # The older version, run again by mistake, changes nothing either.
    monkeypatch.setattr(models, "READ_MODELS", READ_MODELS)
    async with pool.acquire() as connection:
        assert await migrate(connection) == []
        assert await checkpoints.outdated(connection, {"users": 2}) == []
    assert await greetings(pool) == wanted(store)


async def test_a_projector_that_knows_nothing_of_what_is_there_ends_and_says_why(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES[:3])
    newer = [replace(projection, version=projection.version + 1) for projection in READ_MODELS.values()]
    async with running(new_runner(pool, store, projections=newer)):
        await until_reached(pool, store)
    with pytest.raises(Superseded, match="are all of another version: run that one's projector"):
        await new_runner(pool, store).run()
