"""Any number of processes append at once, roll back, and hold transactions open: readers that follow miss nothing."""

import asyncio
import random
from uuid import UUID, uuid4

from domain.log import LogRecord, VersionConflict
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.store import PostgresEventStore
from tests.contracts.log_entries import append, heads, provenance
from tests.contracts.test_event_log import assert_streams_are_in_order
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.keys import keys_on

WRITERS = 16
ROUNDS = 20
PATIENCE_SECONDS = 60.0


class ChangedMyMind(Exception):
    """Rolls a transaction back."""


async def write(pool: Pool, store: PostgresEventStore, number: int) -> int:
    """Appends through the store or in a transaction of its own, which it may roll back; the events that stayed."""
    chance = random.Random(number)
    owner_id, version = uuid4(), 0
    for _ in range(ROUNDS):
        count, how = chance.randint(1, 3), chance.choice(["store", "within", "rollback", "stale"])
        at = version + 1 if how == "stale" else version
        appends = [append(owner_id, *range(1, count + 1), at=at)]
        try:
            if how in ("store", "stale"):
                await store.append(appends, provenance())
            else:
                async with pool.acquire() as connection, connection.transaction():
                    await store.append_within(connection, appends, provenance())
                    if how == "rollback":
                        raise ChangedMyMind
        except (ChangedMyMind, VersionConflict):
            continue
        version += count
    return version


async def follow(log: PostgresEventLog, partition: int, done: asyncio.Event) -> list[LogRecord]:
    seen: list[LogRecord] = []
    while True:
        is_over = done.is_set()
        records = await log.read(partition, len(seen), 5)
        seen.extend(records)
        if is_over and not records:
            return seen
        if not records:
            await log.wait_for_append([partition], 0.05)


async def hold_a_transaction_open(pool: Pool, done: asyncio.Event) -> None:
    """It has written and seen a snapshot, and does not end before everybody else has."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        await connection.execute("insert into tracking values ('open', 1)")
        await done.wait()


async def test_followers_see_every_event_once_and_in_order(pool: Pool, log: PostgresEventLog) -> None:
    done = asyncio.Event()
    async with (
        PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as here,
        PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as there,
        asyncio.timeout(PATIENCE_SECONDS),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(hold_a_transaction_open(pool, done))
        readers = [group.create_task(follow(log, number, done)) for number in range(PARTITION_COUNT)]
        stores = [here, there]
        stayed = await asyncio.gather(
            *(write(pool, stores[number % 2], number) for number in range(WRITERS))
        )
        done.set()
    followed = [reader.result() for reader in readers]
    for records in followed:
        assert [record.seq for record in records] == [*range(1, len(records) + 1)]
        assert_streams_are_in_order(records)
    assert sum(map(len, followed)) == sum(stayed) == sum(await heads(log))


async def test_a_transaction_that_appends_keeps_only_its_partition_waiting(
    pool: Pool, store: PostgresEventStore
) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await store.append_within(connection, [append(UUID(int=0), 1)], provenance())
        other = await store.append([append(UUID(int=1), 1)], provenance())
        waiting = asyncio.create_task(store.append([append(UUID(int=PARTITION_COUNT), 1)], provenance()))
        await pool.fetchval("select 1")
        assert not waiting.done()
        await transaction.commit()
        assert (other.partition, other.seq) == (1, 1)
        assert (await waiting).seq == 2


async def test_transactions_that_touch_all_partitions_do_not_block_each_other_for_ever(
    pool: Pool,
) -> None:
    async with (
        PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as here,
        PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as there,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        await asyncio.gather(
            *(
                store.append([append(UUID(int=1000 * number + partition), 1)], provenance())
                for number in range(50)
                for partition in random.sample(range(PARTITION_COUNT), PARTITION_COUNT)
                for store in [random.choice([here, there])]
            )
        )
    assert (
        await pool.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
        == 0
    )
