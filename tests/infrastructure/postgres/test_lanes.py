"""A partition that somebody else keeps locked keeps nobody waiting but its own commands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from domain.log import Address, Decision
from domain.ports import StoredCredentials
from infrastructure.postgres import appending
from infrastructure.postgres.appending import NewEvents
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.group_commit import GroupLimits
from infrastructure.postgres.lanes import APART_MAX, Lanes
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.store import PostgresEventStore
from tests.builders import registered
from tests.contracts.log_entries import append, provenance
from tests.keys import keys_on
from tests.stack.waiting import eventually

PARTITIONS = 8
HELD = 3
ROUNDS = 20
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def store(pool: Pool) -> AsyncIterator[PostgresEventStore]:
    async with PostgresEventStore(
        pool, PARTITIONS, keys_on(pool), deadline_seconds=PATIENCE_SECONDS
    ) as opened:
        yield opened


@asynccontextmanager
async def held(pool: Pool, *partitions: int) -> AsyncIterator[None]:
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute(
            "select from log_partitions where partition = any($1) for update", list(partitions)
        )
        yield


def owner_in(partition: int) -> UUID:
    """A new user, whose events go to this partition."""
    return UUID(int=uuid4().int // PARTITIONS * PARTITIONS + partition)


async def append_to(store: PostgresEventStore, partition: int, times: int = 1) -> list[Address]:
    return [await store.append([append(owner_in(partition), 1)], provenance()) for _ in range(times)]


async def test_one_held_partition_leaves_the_other_seven_alone(
    pool: Pool, store: PostgresEventStore
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with held(pool, HELD):
            waiting = asyncio.create_task(append_to(store, HELD))
            others = await asyncio.gather(
                *(append_to(store, each, ROUNDS) for each in range(PARTITIONS) if each != HELD)
            )
            assert not waiting.done()
            assert store.partitions_apart == {HELD}
        assert [address.seq for address in await waiting] == [1]
    assert [[address.seq for address in each] for each in others] == [[*range(1, ROUNDS + 1)]] * 7
    await eventually(lambda: not store.partitions_apart, "the partition is written with the others again")
    assert [address.seq for address in await append_to(store, HELD)] == [2]


async def test_what_waits_for_a_held_partition_keeps_its_order(
    pool: Pool, store: PostgresEventStore
) -> None:
    owner_id = owner_in(HELD)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with held(pool, HELD):
            waiting = [
                asyncio.create_task(store.append([append(owner_id, 1, at=version)], provenance()))
                for version in range(10)
            ]
            await eventually(lambda: store.partitions_apart == {HELD}, "the partition is set apart")
            waiting += [
                asyncio.create_task(store.append([append(owner_id, 1, at=version)], provenance()))
                for version in range(10, 20)
            ]
            await asyncio.sleep(0)
        assert [address.seq for address in await asyncio.gather(*waiting)] == [*range(1, 21)]


async def test_more_held_partitions_than_there_are_places_for_are_written_in_the_end(
    pool: Pool, store: PostgresEventStore
) -> None:
    many = range(APART_MAX + 2)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with held(pool, *many):
            waiting = [asyncio.create_task(append_to(store, each)) for each in many]
            await eventually(lambda: store.partitions_apart == {*many}, "all of them are set apart")
            free = await append_to(store, PARTITIONS - 1, ROUNDS)
            assert len(free) == ROUNDS
        assert [[each.seq for each in answer] for answer in await asyncio.gather(*waiting)] == [[1]] * len(
            many
        )


async def test_lanes_that_close_while_a_partition_is_held_write_what_they_can(
    pool: Pool, store: PostgresEventStore
) -> None:
    def new(partition: int) -> NewEvents:
        decision = Decision([append(owner_in(partition), 1)], provenance())
        return appending.new_events([decision], PARTITIONS)

    lanes = Lanes(pool, GroupLimits(), PATIENCE_SECONDS)
    running = asyncio.create_task(lanes.run())
    async with asyncio.timeout(PATIENCE_SECONDS), held(pool, 1):
        stuck = asyncio.create_task(lanes.append(new(1)))
        await eventually(lambda: {*lanes.apart} == {1}, "the partition is set apart")
        written = asyncio.create_task(lanes.append(new(2)))
        await asyncio.sleep(0)
        lanes.close()
        assert isinstance(await written, Address)
        running.cancel()
        [answer] = await asyncio.gather(stuck, return_exceptions=True)
        assert type(answer).__name__ == "DatabaseUnavailable"


async def test_registrations_that_wait_for_a_held_partition_take_one_connection(
    pool: Pool, store: PostgresEventStore
) -> None:
    credentials = PostgresCredentials(pool, PARTITIONS, store.announce, keys_on(pool))

    async def register(user_id: UUID) -> Address:
        email = f"{user_id}@example.com"
        return await credentials.register(
            email,
            StoredCredentials(user_id=user_id, password_hash=b"hash"),
            [append(user_id, stream="user", events=[registered(user_id=user_id, email=email)])],
            provenance(),
        )

    async with asyncio.timeout(PATIENCE_SECONDS):
        async with held(pool, HELD):
            waiting = [
                asyncio.create_task(register(owner_in(HELD))) for _ in range(2 * pool.get_max_size())
            ]
            assert (await register(UUID(int=HELD + 1))).seq == 1
            assert await pool.fetchval("select 1") == 1
        assert sorted(address.seq for address in await asyncio.gather(*waiting)) == [
            *range(1, len(waiting) + 1)
        ]
