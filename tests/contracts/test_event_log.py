"""The readers' view of the log: partitions without gap, repetition or inversion, while others append."""

import asyncio
import random
from datetime import timedelta
from uuid import UUID, uuid4

from domain.log import LogRecord, VersionConflict
from domain.ports import EventLog, EventStore
from schemas.events import decode
from schemas.partitions import partition_of
from tests.builders import ANNA, granted
from tests.contracts.log_entries import append, heads, provenance
from tests.infrastructure.postgres.database import PARTITION_COUNT

PATIENCE_SECONDS = 30.0


async def test_an_empty_log_has_partitions_at_0(log: EventLog) -> None:
    assert log.partition_count == PARTITION_COUNT
    assert await heads(log) == [0] * PARTITION_COUNT
    assert list(await log.read(0, 0, 10)) == []


async def test_a_record_says_everything_about_its_event(store: EventStore, log: EventLog) -> None:
    caused_by = provenance(actor="anna")
    await store.append([append(ANNA, 7, 8)], caused_by)
    _, record = await log.read(partition_of(ANNA, PARTITION_COUNT), 0, 10)
    assert record.address == (await log.read(record.partition, 1, 1))[0].address
    assert (record.stream_id, record.version, record.owner_id) == (f"quota-{ANNA}", 2, ANNA)
    assert decode(record.type, record.schema_version, record.data) == granted(8)
    assert record.event_id.version == 7
    assert record.recorded_at.utcoffset() == timedelta(0)
    assert (record.actor, record.correlation_id) == ("anna", caused_by.correlation_id)
    assert (record.causation_id, record.request_id, record.traceparent) == (None, None, None)


async def test_reading_goes_on_where_it_stopped(store: EventStore, log: EventLog) -> None:
    await store.append([append(ANNA, *range(1, 11))], provenance())
    partition = partition_of(ANNA, PARTITION_COUNT)
    pages = [await log.read(partition, after, 4) for after in (0, 4, 8, 10)]
    assert [[record.seq for record in page] for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]


async def test_several_partitions_are_read_at_once_each_from_where_it_stopped(
    store: EventStore, log: EventLog
) -> None:
    for partition in range(PARTITION_COUNT):
        await store.append([append(UUID(int=partition), *range(1, 6))], provenance())
    after = {partition: 2 * partition for partition in range(PARTITION_COUNT)}
    read = await log.read_each(after, 2)
    for partition, seq in after.items():
        assert list(read.get(partition, ())) == list(await log.read(partition, seq, 2))
    assert not any((await log.read_each({}, 2)).values())


async def test_an_append_in_any_of_the_partitions_wakes_who_waits_for_several(
    store: EventStore, log: EventLog
) -> None:
    lane = range(PARTITION_COUNT)
    await log.wait_for_append(lane, 0.01)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for partition in lane:
            waiting = asyncio.create_task(log.wait_for_append(lane, 10 * PATIENCE_SECONDS))
            await store.append([append(UUID(int=partition), 1)], provenance())
            await waiting


async def test_the_head_is_the_last_seq(store: EventStore, log: EventLog) -> None:
    last = await store.append([append(ANNA, 1, 2, 3)], provenance())
    assert await log.head(last.partition) == last.seq == 3


async def test_the_owner_decides_the_partition(store: EventStore, log: EventLog) -> None:
    for owner_id in (UUID(int=partition) for partition in range(PARTITION_COUNT)):
        await store.append([append(owner_id, 1), append(owner_id, 2, stream="other")], provenance())
    assert await heads(log) == [2] * PARTITION_COUNT


async def test_no_two_events_have_the_same_id(store: EventStore, log: EventLog) -> None:
    await asyncio.gather(*(store.append([append(uuid4(), 1, 2)], provenance()) for _ in range(50)))
    records = [
        record for partition in range(PARTITION_COUNT) for record in await log.read(partition, 0, 200)
    ]
    assert len({record.event_id for record in records}) == 100


async def test_an_append_wakes_who_waits_for_it(store: EventStore, log: EventLog) -> None:
    partition = partition_of(ANNA, PARTITION_COUNT)

    async def first_record() -> LogRecord:
        while not (records := await log.read(partition, 0, 1)):
            await log.wait_for_append([partition], 10 * PATIENCE_SECONDS)
        return records[0]

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        readers = [group.create_task(first_record()) for _ in range(3)]
        await log.wait_for_append([partition], 0.01)
        await store.append([append(ANNA, 1)], provenance())
    assert [reader.result().seq for reader in readers] == [1, 1, 1]


async def test_an_append_while_nobody_waited_is_not_missed(store: EventStore, log: EventLog) -> None:
    partition = partition_of(ANNA, PARTITION_COUNT)
    await log.wait_for_append([partition], 0.01)
    last = await store.append([append(ANNA, 1)], provenance())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await log.wait_for_append([partition], 10 * PATIENCE_SECONDS)
    assert await log.head(last.partition) == 1


async def test_waiting_ends_at_the_timeout(log: EventLog) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(3):
            await log.wait_for_append([0], 0.01)


async def test_an_append_elsewhere_wakes_nobody(store: EventStore, log: EventLog) -> None:
    partition = partition_of(ANNA, PARTITION_COUNT)
    elsewhere = (partition + 1) % PARTITION_COUNT
    async with asyncio.timeout(PATIENCE_SECONDS):
        await store.append([append(ANNA, 1)], provenance())
        await log.wait_for_append([partition], 10 * PATIENCE_SECONDS)
        await log.wait_for_append([elsewhere], 0.01)  # Whoever begins to listen may be woken once.
        waiting = asyncio.create_task(log.wait_for_append([elsewhere], 10 * PATIENCE_SECONDS))
        for version in range(1, 6):
            await store.append([append(ANNA, 1, at=version)], provenance())
            await log.wait_for_append([partition], 10 * PATIENCE_SECONDS)
    assert not waiting.done()
    waiting.cancel()


async def test_readers_that_follow_see_each_event_once_and_in_order(
    store: EventStore, log: EventLog
) -> None:
    done = asyncio.Event()

    async def write(number: int) -> int:
        chance = random.Random(number)
        owner_id, version, appended = uuid4(), 0, 0
        for _ in range(25):
            stale = chance.random() < 0.3
            count = chance.randint(1, 4)
            at = version + 1 if stale else version
            try:
                await store.append([append(owner_id, *range(1, count + 1), at=at)], provenance())
            except VersionConflict:
                assert stale
            else:
                version += count
                appended += count
        return appended

    async def follow(partition: int) -> list[LogRecord]:
        seen: list[LogRecord] = []
        while True:
            is_over = done.is_set()
            records = await log.read(partition, len(seen), 7)
            seen.extend(records)
            if is_over and not records:
                return seen
            if not records:
                await log.wait_for_append([partition], 0.05)

    async with asyncio.timeout(2 * PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        readers = [group.create_task(follow(partition)) for partition in range(PARTITION_COUNT)]
        appended = await asyncio.gather(*(write(number) for number in range(16)))
        done.set()

    followed = [reader.result() for reader in readers]
    for records in followed:
        assert [record.seq for record in records] == [*range(1, len(records) + 1)]
        assert [record.recorded_at for record in records] == sorted(
            record.recorded_at for record in records
        )
        assert_streams_are_in_order(records)
    assert sum(map(len, followed)) == sum(appended)


def assert_streams_are_in_order(records: list[LogRecord]) -> None:
    versions: dict[str, int] = {}
    for record in records:
        assert record.version == versions.get(record.stream_id, 0) + 1
        versions[record.stream_id] = record.version
