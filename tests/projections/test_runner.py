"""The live projector on a real PostgreSQL: each event has its effect once, whatever goes wrong."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
from msgspec.structs import asdict

from domain.events import Event
from domain.media_file import FileUploaded
from domain.ports import FeedRecord
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.errors import OUTAGES
from projections import checkpoints
from projections.batches import Batch
from projections.files import FILES, FileRow
from projections.models import READ_MODELS
from projections.runner import Pace, Runner
from projections.users import USERS
from tests.builders import granted, identity, registered, uploaded
from tests.keys import READING
from tests.projections.feeds import HeldLeases, LogFeed
from tests.projections.lives import happened, lived
from tests.projections.running import (
    QUICK,
    checkpoints_of,
    contents,
    new_runner,
    project_all,
    running,
    until,
    until_reached,
)
from tests.projections.telling import told

Pool = asyncpg.Pool
NAMES = [f"user {number}" for number in range(21)]


async def test_the_tables_hold_the_fold_of_the_log(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    await lived(store, NAMES)
    await project_all(pool, store)
    assert await contents(pool) == told(store)


async def test_events_that_arrive_one_by_one_are_folded_like_those_in_batches(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    async with running(new_runner(pool, store, pace=Pace(records_max=1, renew_seconds=0.02))):
        await lived(store, NAMES[:7])
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def test_a_restarted_projector_repeats_nothing(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    for part in (NAMES[:7], NAMES[7:14], NAMES[14:]):
        await lived(store, part)
        await project_all(pool, store)
    assert await contents(pool) == told(store)


async def test_two_projectors_on_the_same_partitions_fold_each_event_once(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    pace = Pace(records_max=3, renew_seconds=0.02)
    async with running(new_runner(pool, store, pace=pace)), running(new_runner(pool, store, pace=pace)):
        await lived(store, NAMES)
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def test_what_a_crash_of_the_database_took_back_is_folded_again_without_another_event(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    async with running(new_runner(pool, store)):
        await until_reached(pool, store)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(f"truncate {', '.join(READ_MODELS)}")
            await connection.execute("update projection_checkpoints set seq = 0, next_offset = null")
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def test_a_projection_that_is_behind_catches_up_alone(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES[:7])
    async with running(new_runner(pool, store, projections=[USERS])):
        await until(lambda: _users_are(pool, 7))
    await project_all(pool, store)
    assert await contents(pool) == told(store)


async def test_partitions_follow_the_lease(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    leases = HeldLeases([0, 1])
    await lived(store, NAMES)
    async with running(new_runner(pool, store, leases=leases)):
        await until_reached(pool, store, 2, 3)
        async with pool.acquire() as connection:
            there = await checkpoints_of(connection)
        assert {partition for _, partition in there} == {0, 1}
        leases.slots = [2, 3]
        await until_reached(pool, store)
    assert leases.released
    assert await contents(pool) == told(store)


async def test_each_batch_is_told_to_those_who_wait(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(*call: object) -> None:
        heard.put_nowait(str(call[3]))

    async with pool.acquire() as connection:
        await connection.add_listener("projected", hear)
        async with running(new_runner(pool, store, channel="projected")):
            address = await happened(store, identity("anna"), registered())
            async with asyncio.timeout(10):
                assert await heard.get() == str(address)
        await connection.remove_listener("projected", hear)


async def test_an_event_that_cannot_be_folded_stops_its_partition_alone(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES[:7])
    address = await happened(store, identity("anna"), granted(2**40))
    await happened(store, identity("anna"), registered())
    await lived(store, NAMES[7:])
    async with running(new_runner(pool, store)):
        await until_reached(pool, store, address.partition)
        await until(lambda: _tries_are(pool, 2))
    async with pool.acquire() as connection:
        [failure] = await checkpoints.failures(connection)
        there = await checkpoints_of(connection)
    assert (failure.partition, failure.seq, failure.type) == (
        address.partition,
        address.seq,
        "QuotaGranted",
    )
    assert (failure.projection, failure.error) == ("quota", "NumericValueOutOfRangeError 22003")
    assert there["quota", address.partition] == address.seq - 1
    assert there["users", address.partition] == address.seq - 1


async def test_a_mended_projection_goes_on_by_itself(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    broken = {"is": True}

    def fragile(row: FileRow | None, event: Event) -> FileRow | None:
        if broken["is"] and isinstance(event, FileUploaded):
            raise ZeroDivisionError(event.filename)
        return FILES.project(row, event)

    models = [*READ_MODELS.values()]
    models[models.index(FILES)] = replace(FILES, project=fragile)
    await lived(store, NAMES)
    async with running(new_runner(pool, store, projections=models)):
        await until(lambda: _tries_are(pool, 2))
        async with pool.acquire() as connection:
            errors = {failure.error for failure in await checkpoints.failures(connection)}
        assert errors == {"ZeroDivisionError"}
        broken["is"] = False
        await until_reached(pool, store)
    assert await contents(pool) == told(store)
    async with pool.acquire() as connection:
        assert await checkpoints.failures(connection) == []


async def test_an_event_of_a_newer_version_waits_for_a_newer_projector(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES[:4])
    feed = AgedFeed(store)
    async with running(new_runner(pool, store, feed=feed)):
        await until(lambda: _tries_are(pool, 2))
        async with pool.acquire() as connection:
            failures = await checkpoints.failures(connection)
        assert {failure.projection for failure in failures} == {"all"}
        assert {failure.error for failure in failures} == {
            "UnknownEventType: unknown event type UserRegistered version 9: run a newer Stenolog"
        }
        feed.aged = False
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def test_a_feed_that_leaves_something_out_is_sent_back(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES)
    feed = ForgetfulFeed(store)
    async with running(new_runner(pool, store, feed=feed, pace=Pace(records_max=5, renew_seconds=0.02))):
        await until_reached(pool, store)
    assert feed.forgotten == 3
    assert await contents(pool) == told(store)


async def test_a_projector_sits_out_a_feed_that_fails(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    feed = LogFeed(store)
    feed.broken = ConnectionResetError()
    await lived(store, NAMES)
    async with running(new_runner(pool, store, feed=feed)):
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def test_a_projector_sits_out_a_database_that_cuts_its_connections(
    pool: "Pool[Any]", postgres_url: str, store: InMemoryEventStore
) -> None:
    other = await asyncpg.connect(postgres_url)
    try:
        async with running(new_runner(pool, store, pace=Pace(records_max=2, renew_seconds=0.02))):
            for name in NAMES:
                await lived(store, [name])
                await other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
            await until(lambda: _users_are(pool, len(NAMES)))
            await until_reached(pool, store)
    finally:
        await other.close()
    assert await contents(pool) == told(store)


async def test_a_name_that_postgresql_cannot_hold_stops_nothing(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    event = uploaded(user_id=identity("anna"))
    await happened(store, identity("anna"), type(event)(**{**asdict(event), "filename": "a\0b.mp3"}))
    await project_all(pool, store)
    [row] = (await contents(pool))["files"]
    assert "a\N{REPLACEMENT CHARACTER}b.mp3" in row


def test_the_pause_grows_up_to_its_limit() -> None:
    pauses = [Pace().retry_seconds(tries) for tries in (1, 2, 3, 100)]
    assert pauses == [1.0, 2.0, 4.0, 60.0]
    assert QUICK.retry_seconds(100) == 0.2


class AgedFeed(LogFeed):
    """Says that registrations are of a version nobody knows yet."""

    aged = True

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        batch = await super().next_batch(timeout_seconds, records_max)
        return {partition: [self._age(each) for each in records] for partition, records in batch.items()}

    def _age(self, each: FeedRecord) -> FeedRecord:
        if not self.aged or each.record.type != "UserRegistered":
            return each
        fields = {**asdict(each.record), "schema_version": 9}
        return FeedRecord(record=type(each.record)(**fields), offset=each.offset)


class ForgetfulFeed(LogFeed):
    """Leaves out the first record of a batch, three times."""

    forgotten = 0

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        batch = dict(await super().next_batch(timeout_seconds, records_max))
        for partition, records in batch.items():
            if len(records) > 1 and self.forgotten < 3:
                self.forgotten += 1
                batch[partition] = records[1:]
        return batch


async def _users_are(pool: "Pool[Any]", count: int) -> bool:
    try:
        async with pool.acquire() as connection:
            return bool(await connection.fetchval("select count(*) from users") == count)
    except OUTAGES:
        return False


async def _tries_are(pool: "Pool[Any]", at_least: int) -> bool:
    async with pool.acquire() as connection:
        failures = await checkpoints.failures(connection)
    return bool(failures) and min(failure.tries for failure in failures) >= at_least


class Unlucky(Runner):
    """Is told to end while it commits, and loses its connection in the same moment."""

    is_committing: asyncio.Event

    async def _commit(self, batch: Batch) -> None:  # noqa: ARG002 - it does not get so far
        async with self._pool.acquire() as connection, connection.transaction():
            try:
                self.is_committing.set()
                await asyncio.Event().wait()
            finally:
                connection.terminate()


async def test_a_projector_that_is_told_to_end_when_its_connection_breaks_ends(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await lived(store, NAMES[:1])
    leases = HeldLeases(range(store.partition_count))
    runner = Unlucky(pool, LogFeed(store), leases, tuple(READ_MODELS.values()), READING, pace=QUICK)
    runner.is_committing = asyncio.Event()
    projecting = asyncio.create_task(runner.run())
    async with asyncio.timeout(20):
        await runner.is_committing.wait()
        projecting.cancel()
        await asyncio.wait([projecting])
    assert projecting.cancelled()
    assert leases.released
