"""An append is stored once and answered truly, whatever becomes of the connection it went over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from domain.log import Address
from domain.ports import StoredCredentials
from infrastructure.postgres.credentials import PostgresCredentials
from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.listener import Listener
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.retry import retried
from infrastructure.postgres.store import PostgresEventStore
from schemas.partitions import partition_of
from tests.builders import ANNA, registered
from tests.contracts.log_entries import append, grants, heads, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT
from tests.infrastructure.postgres.wire import Wire
from tests.keys import keys_on
from tests.stack.waiting import eventually

PATIENCE_SECONDS = 30.0


@pytest.fixture
async def wire(empty_database_url: str) -> AsyncIterator[Wire]:
    async with await create_pool(empty_database_url) as direct:
        await migrate(direct, LOG_COMPONENT, LOG_MIGRATIONS)
    async with Wire(empty_database_url).open() as opened:
        yield opened


@pytest.fixture
async def pool(wire: Wire) -> AsyncIterator[Pool]:
    async with await create_pool(wire.url) as opened:
        yield opened
        wire.recover()


async def test_an_append_whose_answer_got_lost_is_stored_once(
    wire: Wire, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    await store.append([append(ANNA, 1)], provenance())
    wire.lose_the_answer()
    assert await store.append([append(ANNA, 2, at=1)], provenance()) == Address(
        partition_of(ANNA, PARTITION_COUNT), 2
    )
    assert list(await store.read_stream(f"quota-{ANNA}")) == grants(ANNA, 1, 2)
    assert sum(await heads(log)) == 2


async def test_a_process_that_starts_survives_the_loss_of_its_connection(wire: Wire, pool: Pool) -> None:
    wire.lose_the_answer(to=b"log_settings")
    async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store:
        assert store.is_writing


async def test_a_group_whose_answer_got_lost_is_stored_once(
    wire: Wire, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    await store.append([append(ANNA, 1)], provenance())
    wire.lose_the_answer()
    answers = await asyncio.gather(*(store.append([append(uuid4(), 1)], provenance()) for _ in range(50)))
    assert len(set(answers)) == 50
    assert sum(await heads(log)) == 51


async def test_appends_go_on_over_new_connections_when_all_are_cut(
    wire: Wire, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    written = 0
    cuts = 0

    async def person() -> None:
        nonlocal written
        owner_id = uuid4()
        for version in range(30):
            await store.append([append(owner_id, 1, at=version)], provenance())
            written += 1

    async def cut_now_and_then() -> None:
        nonlocal cuts
        for goal in range(40, 16 * 30, 80):
            while written < goal:
                await asyncio.sleep(0.001)
            wire.cut()
            cuts += 1

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(cut_now_and_then())
        for _ in range(16):
            group.create_task(person())
    assert cuts == 6
    assert sum(await heads(log)) == 16 * 30


async def test_an_append_without_an_answer_ends_at_its_deadline(wire: Wire, pool: Pool) -> None:
    async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool), deadline_seconds=0.5) as store:
        await store.append([append(ANNA, 1)], provenance())
        wire.fall_silent()
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(DatabaseUnavailable):
                await store.append([append(ANNA, 2, at=1)], provenance())
            with pytest.raises(DatabaseUnavailable):
                await store.read_stream(f"quota-{ANNA}")


async def test_who_gives_a_query_up_does_not_wait_for_a_silent_line(wire: Wire) -> None:
    async with await create_pool(wire.url, command_seconds=100 * PATIENCE_SECONDS) as pool:

        async def ask() -> None:
            async with pool.acquire() as connection, connection.transaction():
                await connection.fetchval("select 1")
                wire.fall_silent()
                await connection.fetchval("select 2")

        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(DatabaseUnavailable):
                await retried(ask, 0.2)
        wire.recover()


async def test_appends_go_on_when_a_silent_line_recovers(wire: Wire, store: PostgresEventStore) -> None:
    await store.append([append(ANNA, 1)], provenance())
    wire.fall_silent()
    appending = asyncio.create_task(store.append([append(ANNA, 2, at=1)], provenance()))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await wire.until_it_holds_something_back()
        wire.recover()
        await appending
    assert list(await store.read_stream(f"quota-{ANNA}")) == grants(ANNA, 1, 2)


async def test_a_registration_whose_answer_got_lost_is_no_taken_address(
    wire: Wire, pool: Pool, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    credentials = PostgresCredentials(pool, PARTITION_COUNT, store.announce, keys_on(pool))
    stored = StoredCredentials(user_id=ANNA, password_hash=b"hash")
    assert await credentials.find("anna@example.com") is None
    wire.lose_the_answer(to=b"anna@example.com")
    address = await credentials.register(
        "anna@example.com", stored, [append(ANNA, stream="user", events=[registered()])], provenance()
    )
    assert address.seq == 1
    assert await credentials.find("anna@example.com") == stored
    assert sum(await heads(log)) == 1


async def test_a_listener_whose_connection_is_cut_listens_again(
    wire: Wire, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    partition = partition_of(ANNA, PARTITION_COUNT)
    await log.wait_for_append([partition], 1)
    wire.cut()
    await store.append([append(ANNA, 1)], provenance())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await log.wait_for_append([partition], 10 * PATIENCE_SECONDS)
        await store.append([append(ANNA, 2, at=1)], provenance())
        await log.wait_for_append([partition], 10 * PATIENCE_SECONDS)


async def test_a_listener_notices_that_its_connection_has_fallen_silent(wire: Wire, pool: Pool) -> None:
    begun = lost = 0

    def missed() -> None:
        nonlocal begun, lost
        lost, begun = (lost + 1, begun) if wire.is_silent else (lost, begun + 1)

    async with Listener(pool, "any", lambda _: None, missed, heartbeat_seconds=0.2):
        await eventually(lambda: begun > 0, "it listens")
        wire.fall_silent()
        await eventually(lambda: lost > 0, "the silence is noticed")
        wire.recover()
        await eventually(lambda: begun > 1, "it listens again")


async def test_connections_to_a_server_that_only_reads_are_dropped(
    pool: Pool, store: PostgresEventStore
) -> None:
    """As after a failover, when the old primary stays as it was and new connections reach the new one."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(pool.acquire()) for _ in range(5)]
        for connection in connections:
            await connection.execute("set default_transaction_read_only = on")
        old = {connection.get_server_pid() for connection in connections}
    credentials = PostgresCredentials(pool, PARTITION_COUNT, store.announce, keys_on(pool))
    stored = StoredCredentials(user_id=ANNA, password_hash=b"hash")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await credentials.register(
            "anna@example.com", stored, [append(ANNA, stream="user", events=[registered()])], provenance()
        )
        await store.append([append(ANNA, 1)], provenance())
    async with pool.acquire() as connection:
        assert connection.get_server_pid() not in old


async def test_a_listener_leaves_a_server_that_only_reads(empty_database_url: str) -> None:
    begun = 0

    def missed() -> None:
        nonlocal begun
        begun += 1

    name = urlsplit(empty_database_url).path[1:]
    async with await create_pool(empty_database_url) as pool:
        await pool.execute(f"alter database {name} set default_transaction_read_only = on")
        await pool.expire_connections()
        async with Listener(pool, "any", lambda _: None, missed, heartbeat_seconds=0.05):
            await eventually(lambda: begun > 2, "it listens, leaves and listens again")


async def test_an_announcement_that_gets_lost_hurts_nothing(
    wire: Wire, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    partition = partition_of(ANNA, PARTITION_COUNT)
    await store.append([append(ANNA, 1)], provenance())
    await log.wait_for_append([partition], PATIENCE_SECONDS)
    wire.lose_the_answer(to=b"events_appended")
    await store.append([append(ANNA, 2, at=1)], provenance())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while wire.is_to_lose_an_answer:
            await asyncio.sleep(0.01)
        assert store.is_writing
        await store.append([append(ANNA, 3, at=2)], provenance())
        await log.wait_for_append([partition], 10 * PATIENCE_SECONDS)
    assert await log.head(partition) == 3
