"""The recorder beyond the package's own test cases: its topics, its errors, and one log with the event store."""

import pytest
from eventsourcing.persistence import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)

from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.mapper import MAPPER, StreamEvent, topic_of, type_named
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import Pool, create_pool
from infrastructure.postgres.recorder import NOBODY, PostgresRecorder
from infrastructure.postgres.store import PostgresEventStore
from schemas.events import REGISTRY, EventType, UnknownEventType
from schemas.partitions import partition_of
from tests.builders import ANNA, granted
from tests.contracts.log_entries import append, grants, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT

STREAM = f"quota-{ANNA}"


def stored(version: int, *, minutes: int = 1) -> StoredEvent:
    return MAPPER.to_stored_event(StreamEvent(STREAM, version, granted(minutes)))


async def test_the_recorder_and_the_store_share_one_log(
    pool: Pool, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    recorder = PostgresRecorder(pool, partition_of(ANNA, PARTITION_COUNT))
    await store.append([append(ANNA, 1)], provenance())
    assert await recorder.insert_events([stored(2, minutes=2)], owner_id=ANNA) == range(2, 3)
    assert list(await store.read_stream(STREAM)) == grants(ANNA, 1, 2)
    [first, second] = await recorder.select_notifications(1, 10)
    assert (first.id, second.id) == (1, 2)
    assert MAPPER.to_domain_event(second) == StreamEvent(STREAM, 2, granted(2))


async def test_events_inserted_without_an_owner_are_nobodys(
    pool: Pool, store: PostgresEventStore, log: PostgresEventLog
) -> None:
    await PostgresRecorder(pool).insert_events([stored(1)])
    [record] = await log.read(0, 0, 1)
    assert (record.owner_id, record.actor) == (NOBODY, "recorder")


async def test_a_used_version_is_an_integrity_error(pool: Pool, store: PostgresEventStore) -> None:
    recorder = PostgresRecorder(pool)
    await recorder.insert_events([stored(1)])
    with pytest.raises(IntegrityError):
        await recorder.insert_events([stored(2), stored(1)])
    assert await recorder.select_events(STREAM) == [stored(1)]


async def test_a_number_out_of_range_is_a_data_error(pool: Pool) -> None:
    with pytest.raises(DataError):
        await PostgresRecorder(pool).select_events(STREAM, gt=2**40)


async def test_a_missing_table_is_a_programming_error(empty_database_url: str) -> None:
    async with await create_pool(empty_database_url) as pool:
        with pytest.raises(ProgrammingError):
            await PostgresRecorder(pool).max_notification_id()


async def test_a_closed_pool_is_an_interface_error(empty_database_url: str) -> None:
    pool = await create_pool(empty_database_url)
    await pool.close()
    with pytest.raises(InterfaceError):
        await PostgresRecorder(pool).max_notification_id()


async def test_a_command_that_takes_too_long_is_an_operational_error(empty_database_url: str) -> None:
    async with (
        await create_pool(empty_database_url) as pool,
        await create_pool(empty_database_url, command_seconds=0.1) as impatient,
    ):
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        async with pool.acquire() as blocker, blocker.transaction():
            await blocker.execute("lock table events in access exclusive mode")
            with pytest.raises(OperationalError):
                await PostgresRecorder(impatient).select_events(STREAM)


@pytest.mark.parametrize(
    "stored_type", [*REGISTRY, EventType("QuotaReserved", 2), EventType("dogs:Dog", 1)]
)
def test_a_topic_names_its_type(stored_type: EventType) -> None:
    assert type_named(topic_of(stored_type)) == stored_type


@pytest.mark.parametrize("topic", ["topic1", "module:Class.Event", "odd:1", "odd:01", ":2", "a:b:3"])
def test_a_topic_of_any_kind_comes_back_as_it_was(topic: str) -> None:
    assert topic_of(type_named(topic)) == topic


def test_a_topic_that_is_not_in_the_registry_is_never_imported() -> None:
    with pytest.raises(UnknownEventType):
        MAPPER.to_domain_event(StoredEvent("dog-1", 1, "os:getcwd", b"{}"))
