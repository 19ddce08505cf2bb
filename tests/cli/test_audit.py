"""An auditor reads the log as it was written, and cannot change it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from cli.audit import (
    Connection,
    NoLog,
    NoSuchStream,
    coming_records,
    detached,
    newest_records,
    opened_log,
    stream_records,
    with_related,
)
from cli.telling import as_json_line, as_text
from domain.events import Event
from domain.log import LogRecord, Provenance, StreamAppend
from domain.ports import PartitionDetached
from infrastructure.postgres.migrate import LOG_COMPONENT, LOG_MIGRATIONS, migrate
from infrastructure.postgres.pool import create_pool
from infrastructure.postgres.store import PostgresEventStore
from tests.builders import granted, reserved, uploaded
from tests.infrastructure.postgres.database import PARTITION_COUNT, fresh_database
from tests.keys import keys_on
from tests.stack.servers import Database

ROOT = Path(__file__).parents[2]


class Writer:
    """Appends single events to new streams, as the API would."""

    def __init__(self, store: PostgresEventStore) -> None:
        self._store = store

    async def append(self, owner_id: UUID, *appends: tuple[str, int, Event]) -> None:
        """Each append is a stream's category, its version so far and the event; all of them are one request."""
        provenance = Provenance(actor=f"user:{owner_id}", correlation_id=uuid4())
        streams = [
            StreamAppend(
                stream_id=f"{category}-{owner_id}",
                owner_id=owner_id,
                expected_version=version,
                events=[event],
            )
            for category, version, event in appends
        ]
        await self._store.append(streams, provenance)


@pytest_asyncio.fixture
async def url(postgres: Database) -> AsyncIterator[str]:
    async with fresh_database(postgres) as url:
        yield url


@pytest_asyncio.fixture
async def writer(url: str) -> AsyncIterator[Writer]:
    async with await create_pool(url, size_max=3) as pool:
        await migrate(pool, LOG_COMPONENT, LOG_MIGRATIONS)
        async with PostgresEventStore(pool, PARTITION_COUNT, keys_on(pool)) as store:
            yield Writer(store)


@pytest_asyncio.fixture
async def log(url: str, writer: Writer) -> AsyncIterator[Connection]:
    assert writer is not None
    async with opened_log(url) as log:
        yield log


def _told(records: Sequence[LogRecord]) -> list[tuple[str, str, int]]:
    return [(record.stream_id, record.type, record.version) for record in records]


async def test_a_stream_is_shown_by_its_id_oldest_first(log: Connection, writer: Writer) -> None:
    owner_id = uuid4()
    await writer.append(owner_id, ("quota", 0, granted(60)))
    await writer.append(owner_id, ("quota", 1, reserved(2)))
    quota = f"quota-{owner_id}"
    assert _told(await stream_records(log, quota)) == [
        (quota, "QuotaGranted", 1),
        (quota, "QuotaReserved", 2),
    ]


async def test_a_uuid_alone_shows_every_stream_that_has_it(log: Connection, writer: Writer) -> None:
    owner_id = uuid4()
    await writer.append(owner_id, ("quota", 0, granted(60)), ("file", 0, uploaded()))
    shown = await stream_records(log, str(owner_id))
    assert {record.stream_id for record in shown} == {f"quota-{owner_id}", f"file-{owner_id}"}


async def test_related_events_are_those_of_the_same_requests(log: Connection, writer: Writer) -> None:
    owner_id = uuid4()
    await writer.append(owner_id, ("quota", 0, granted(60)))
    await writer.append(owner_id, ("quota", 1, reserved(2)), ("file", 0, uploaded()))
    related = await with_related(log, await stream_records(log, f"file-{owner_id}"))
    assert {record.type for record in related} == {"FileUploaded", "QuotaReserved"}


async def test_an_unknown_stream_is_named(log: Connection) -> None:
    with pytest.raises(NoSuchStream, match="the log has no stream quota-of-nobody"):
        await stream_records(log, "quota-of-nobody")


async def test_what_is_detached_is_told_of_and_a_stream_in_it_is_not_said_to_be_none(
    log: Connection, writer: Writer, url: str
) -> None:
    here, there = UUID(int=0), UUID(int=1)
    for owner_id in (here, there):
        await writer.append(owner_id, ("quota", 0, granted(60)))
    async with await create_pool(url) as pool:
        await pool.execute("alter table events detach partition events_1")
    assert await detached(log) == [1]
    assert await stream_records(log, f"quota-{here}")
    with pytest.raises(PartitionDetached, match="partition 1 is detached"):
        await stream_records(log, f"quota-{there}")
    command = [sys.executable, "-m", "cli", "events", "tail"]
    environment = {"STENOLOG_DATABASE_URL": url}
    showing = await create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE)
    shown, told = await showing.communicate()
    assert b"partition 1 is detached" in told
    assert f"quota-{here}".encode() in shown
    assert f"quota-{there}".encode() not in shown


async def test_the_newest_events_of_all_partitions_come_in_the_order_of_recording(
    log: Connection, writer: Writer
) -> None:
    owners = [uuid4() for _ in range(12)]
    for owner_id in owners:
        await writer.append(owner_id, ("quota", 0, granted(60)))
    newest, _ = await newest_records(log, 5)
    assert [record.owner_id for record in newest] == owners[-5:]


async def test_following_begins_where_the_newest_end(log: Connection, writer: Writer) -> None:
    await writer.append(uuid4(), ("quota", 0, granted(60)))
    _, heads = await newest_records(log, 10)
    owners = [uuid4(), uuid4()]
    for owner_id in owners:
        await writer.append(owner_id, ("quota", 0, granted(60)))
    async with asyncio.timeout(20), aclosing(coming_records(log, heads)) as coming:
        seen = [await anext(coming), await anext(coming)]
    assert {record.owner_id for record in seen} == set(owners)


async def test_the_auditor_cannot_write(log: Connection) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await log.execute("delete from log_heads")


async def test_a_database_without_a_log_says_what_to_do(url: str) -> None:
    async def look() -> None:
        async with opened_log(url) as log:
            await newest_records(log, 1)

    with pytest.raises(NoLog, match="run `stenolog migrate`"):
        await look()


async def test_a_record_is_shown_with_what_happened_and_when_its_place_and_who_caused_it(
    log: Connection, writer: Writer
) -> None:
    owner_id = uuid4()
    await writer.append(owner_id, ("quota", 0, granted(60)))
    [record] = await stream_records(log, f"quota-{owner_id}")
    what, where, who = as_text(record).splitlines()
    assert what == f"{record.recorded_at.isoformat(timespec='milliseconds')[11:23]}  60 minutes granted"
    assert where.split() == [str(record.address), "QuotaGranted", f"quota-{owner_id}", "version", "1"]
    assert who.strip() == f"by user:{owner_id}, correlation {record.correlation_id}"


async def test_for_programs_a_record_is_one_line_of_json(log: Connection, writer: Writer) -> None:
    owner_id = uuid4()
    await writer.append(owner_id, ("quota", 0, granted(60)))
    [record] = await stream_records(log, f"quota-{owner_id}")
    line = as_json_line(record)
    decoded = msgspec.json.decode(line)
    assert "\n" not in line
    assert (decoded["seq"], decoded["type"], decoded["data"]["minutes"]) == (1, "QuotaGranted", 60)
