"""What an auditor asks of the log. Reads only: no lock, no row, no setting is touched, and each reading is told of."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.api_keys import API_KEYS
from domain.log import LogRecord
from domain.media_file import MEDIA_FILE
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION
from domain.user import USER
from infrastructure.mendable import Mendable
from infrastructure.postgres.certificates import require_certificates, require_trust
from infrastructure.postgres.connecting import server_of
from infrastructure.postgres.errors import TRANSIENT, TableDetached
from infrastructure.postgres.queries import load_queries

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Heads: TypeAlias = Mapping[int, int]
"""The last seq of each partition that is attached."""

CATEGORIES: Final = tuple(each.category for each in (USER, QUOTA, MEDIA_FILE, TRANSCRIPTION, API_KEYS))
BATCH: Final = 500
"""Events that are in memory at once."""
STRETCH: Final = 10_000
"""How many places of a partition are looked through in one go for the few events that are wanted."""
SEQ_MAX: Final = (1 << 63) - 1

_SQL: Final = load_queries(Path(__file__).with_name("audit.sql"))
_CONNECT_SECONDS: Final = 10.0
_NEARBY: Final = 100_000
"""How far from a stream's events, in its partition, the related ones are looked for."""
_POLL_SECONDS: Final = 1.0
_AWAY: Final = (*(each for each in TRANSIENT if each is not OSError), ConnectionError, TimeoutError)
"""Other OSErrors are about files of ours."""


class NoLog(Mendable):
    """There is no database, or no event log in it."""


class LogAway(Mendable):
    """The database went away while it was read."""


class NoSuchStream(Mendable):
    def __init__(self, identity: str) -> None:
        super().__init__(f"the log has no stream {identity}")


class Stream(Struct, frozen=True):
    """Where a stream lies, whose it is, and its last version."""

    stream_id: str
    partition: int
    owner_id: UUID
    version: int

    @property
    def is_of_a_person(self) -> bool:
        """Whether its id is that of a user, and not of something a user has."""
        return self.stream_id.endswith(str(self.owner_id))


@asynccontextmanager
async def opened_log(database_url: str) -> AsyncIterator[Connection]:
    """Raises InvalidSetting for what is no URL of a database, DatabaseTurnedAway, NoLog or LogAway; none quotes the password."""
    connection = await _connect(database_url)
    try:
        yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError):
        raise NoLog("the database has no event log of this version: run `stenolog migrate`") from None
    except asyncpg.InsufficientPrivilegeError as problem:
        raise NoLog(
            f"this user may not read the log ({problem}): `grant stenolog_auditor to` it, and run `stenolog migrate`"
        ) from None
    except BrokenPipeError:
        raise  # Of standard output: who reads it has gone.
    except _AWAY as problem:
        raise LogAway(f"the database went away ({_brief(problem)}): try again once it is back") from None
    finally:
        with suppress(*_AWAY):
            await connection.close(timeout=_CONNECT_SECONDS)


async def _connect(database_url: str) -> Connection:
    server_of(database_url)
    await asyncio.to_thread(require_certificates, database_url)
    try:
        return await asyncpg.connect(
            database_url,
            timeout=_CONNECT_SECONDS,
            command_timeout=60,
            server_settings={"application_name": "stenolog events", "default_transaction_read_only": "on"},
        )
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        require_trust(problem, database_url)
        raise NoLog(f"cannot connect to the database: {_brief(problem)}") from None


def _brief(problem: Exception) -> str:
    return str(problem) or type(problem).__name__


async def tell_access(log: Connection, command: str, of_range: str) -> None:
    """A line `AuditAccess` in the server's own log: who read what. `of_range` is of our making, so that it says nothing personal."""
    await log.execute(_SQL["tell_access"], command, of_range)


async def find_streams(log: Connection, identity: str) -> Sequence[Stream]:
    """The stream of this id, or all with this UUID. Raises NoSuchStream or TableDetached."""
    rows = await log.fetch(_SQL["streams"], _stream_ids(identity))
    if not rows:
        await require_all(log)
        raise NoSuchStream(identity)
    return [Stream(**row) for row in rows]


async def require_all(log: Connection) -> None:
    """Raises TableDetached where a partition is away, so that what is not found may be in it."""
    if away := await detached(log):
        raise TableDetached(away)


async def stream_batches(log: Connection, stream: Stream) -> AsyncIterator[Sequence[LogRecord]]:
    """All events of a stream in order, at most BATCH at a time."""
    version = 0
    while True:
        records = await _fetch(log, "of_stream", stream.partition, stream.stream_id, version, BATCH)
        if not records:
            return
        yield records
        version = records[-1].version


async def owner_batches(
    log: Connection, partition: int, owner_id: UUID, head: int, after: int = 0
) -> AsyncIterator[tuple[int, Sequence[LogRecord]]]:
    """All events of a person in the order of their recording, with the seq up to which the partition was looked through."""
    for end, arguments in _stretches(head, after):
        yield end, await _fetch(log, "of_owner", partition, owner_id, *arguments)


async def correlated_batches(
    log: Connection, partition: int, correlation_id: UUID, head: int
) -> AsyncIterator[tuple[int, Sequence[LogRecord]]]:
    """As `owner_batches`, of a request."""
    for end, arguments in _stretches(head):
        yield end, await _fetch(log, "of_correlations", partition, [correlation_id], *arguments)


def _stretches(head: int, after: int = 0) -> Sequence[tuple[int, tuple[int, int]]]:
    ends = (*range(after + STRETCH, head, STRETCH), head)
    return [(end, (start, end)) for start, end in zip((after, *ends), ends, strict=False)]


async def correlated_in_stream(
    log: Connection, stream: Stream, correlation_id: UUID, count_max: int
) -> Sequence[LogRecord]:
    return await _fetch(
        log, "of_stream_and_correlation", stream.partition, stream.stream_id, correlation_id, count_max
    )


async def following(
    log: Connection, partition: int, after_seq: int, last_seq: int = SEQ_MAX, limit: int = BATCH
) -> Sequence[LogRecord]:
    """The events of a partition from `after_seq` on, that one not included, up to `last_seq`."""
    return await _fetch(log, "following", partition, after_seq, limit, last_seq)


async def stream_records(log: Connection, identity: str) -> Sequence[LogRecord]:
    """The events of a stream, or of every stream with this UUID, oldest first. Raises NoSuchStream or TableDetached."""
    streams = await find_streams(log, identity)
    found = [each for stream in streams async for batch in stream_batches(log, stream) for each in batch]
    return sorted(found, key=lambda record: (record.recorded_at, record.address))


async def with_related(log: Connection, records: Sequence[LogRecord]) -> Sequence[LogRecord]:
    """These events and what the same requests did to other streams of the owner, oldest first."""
    seqs = [record.seq for record in records]
    requests = list({record.correlation_id for record in records})
    bounds = min(seqs) - _NEARBY, max(seqs) + _NEARBY
    return await _fetch(log, "of_correlations", records[0].partition, requests, *bounds)


async def newest_records(log: Connection, count: int) -> tuple[Sequence[LogRecord], Heads]:
    """Oldest first; and where each partition ended at that same moment, for `coming_records`."""
    async with log.transaction(isolation="repeatable_read"):
        records = (await _fetch(log, "newest", count))[::-1]
        return records, await heads_of(log)


async def coming_records(log: Connection, after: Heads) -> AsyncGenerator[LogRecord, None]:
    """What is appended after these heads, for ever."""
    seqs = dict(after)
    while True:
        heads = await heads_of(log)
        for partition in heads.keys() - seqs.keys():
            seqs[partition] = heads[partition]  # It was away, so that nothing can have been appended to it.
        grown = [partition for partition, head in heads.items() if head > seqs[partition]]
        for partition in grown:
            for record in await following(log, partition, seqs[partition]):
                seqs[partition] = record.seq
                yield record
        if not grown:
            await asyncio.sleep(_POLL_SECONDS)


async def detached(log: Connection) -> Sequence[int]:
    """The partitions whose events nothing here can show."""
    return [row["partition"] for row in await log.fetch(_SQL["detached"])]


async def heads_of(log: Connection) -> Heads:
    return {row["partition"]: row["seq"] for row in await log.fetch(_SQL["heads"])}


async def recorded_at(log: Connection, partition: int, seq: int) -> Any:
    """When the event at this place was recorded; None where there is none."""
    return await log.fetchval(_SQL["recorded_at"], partition, seq)


def _stream_ids(identity: str) -> list[str]:
    with suppress(ValueError):
        return [f"{category}-{UUID(identity)}" for category in CATEGORIES]
    return [identity]


async def _fetch(log: Connection, query: str, *arguments: object) -> list[LogRecord]:
    return [LogRecord(**row) for row in await log.fetch(_SQL[query], *arguments)]


async def installation_id(log: Connection) -> UUID:
    """Which log it is: two installations are never taken for one another."""
    return UUID(str(await log.fetchval(_SQL["installation"])))


async def partition_count(log: Connection) -> int:
    """With those that are detached."""
    return int(await log.fetchval(_SQL["partition_count"]))


async def snapshot_rows(log: Connection) -> AsyncIterator[tuple[int, asyncpg.Record]]:
    """Each with the number of all."""
    count, last = int(await log.fetchval(_SQL["count_snapshots"])), ""
    while rows := await log.fetch(_SQL["snapshots"], last):
        for row in rows:
            yield count, row
        last = rows[-1]["stream_id"]
