"""What an auditor asks of the log. Reads only: no lock, no row, no setting is touched."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

import asyncpg

from domain.log import LogRecord
from domain.media_file import MEDIA_FILE
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION
from domain.user import USER
from infrastructure.mendable import Mendable
from infrastructure.postgres.certificates import require_certificates, require_trust
from infrastructure.postgres.connecting import server_of
from infrastructure.postgres.errors import TableDetached
from infrastructure.postgres.queries import load_queries

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Heads: TypeAlias = Mapping[int, int]
"""The last seq of each partition."""

_SQL: Final = load_queries(Path(__file__).with_name("audit.sql"))
_CATEGORIES: Final = (USER.category, QUOTA.category, MEDIA_FILE.category, TRANSCRIPTION.category)
_CONNECT_SECONDS: Final = 10.0
_NEARBY: Final = 100_000
"""How far from a stream's events, in its partition, the related ones are looked for."""
_BATCH: Final = 500
_POLL_SECONDS: Final = 1.0


class NoLog(Mendable):
    """There is no database, or no event log in it."""


class NoSuchStream(Mendable):
    def __init__(self, identity: str) -> None:
        super().__init__(f"the log has no stream {identity}")


@asynccontextmanager
async def opened_log(database_url: str) -> AsyncIterator[Connection]:
    """Raises InvalidSetting for what is no URL of a database, DatabaseTurnedAway or NoLog; none quotes the password."""
    server_of(database_url)
    await asyncio.to_thread(require_certificates, database_url)
    try:
        connection = await asyncpg.connect(
            database_url,
            timeout=_CONNECT_SECONDS,
            command_timeout=60,
            server_settings={"application_name": "stenolog events", "default_transaction_read_only": "on"},
        )
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        require_trust(problem, database_url)
        raise NoLog(f"cannot connect to the database: {str(problem) or type(problem).__name__}") from None
    try:
        yield connection
    except asyncpg.UndefinedTableError:
        raise NoLog("the database has no event log: run `stenolog migrate`") from None
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


async def stream_records(log: Connection, identity: str) -> Sequence[LogRecord]:
    """The events of a stream, or of every stream with this UUID, oldest first. Raises NoSuchStream or TableDetached."""
    found = _records(await log.fetch(_SQL["streams"], _stream_ids(identity)))
    if not found:
        if away := await detached(log):
            raise TableDetached(away)
        raise NoSuchStream(identity)
    return found


async def with_related(log: Connection, records: Sequence[LogRecord]) -> Sequence[LogRecord]:
    """These events and what the same requests did to other streams of the owner, oldest first."""
    seqs = [record.seq for record in records]
    requests = list({record.correlation_id for record in records})
    where = (records[0].partition, min(seqs) - _NEARBY, max(seqs) + _NEARBY, requests)
    return _records(await log.fetch(_SQL["related"], *where))


async def newest_records(log: Connection, count: int) -> tuple[Sequence[LogRecord], Heads]:
    """Oldest first; and where each partition ended at that same moment, for `coming_records`."""
    async with log.transaction(isolation="repeatable_read"):
        records = _records(await log.fetch(_SQL["newest"], count))[::-1]
        return records, await _heads(log)


async def coming_records(log: Connection, after: Heads) -> AsyncGenerator[LogRecord, None]:
    """What is appended after these heads, for ever."""
    seqs = dict(after)
    while True:
        heads = await _heads(log)
        grown = [partition for partition, head in heads.items() if head > seqs.get(partition, 0)]
        for partition in grown:
            following = await log.fetch(_SQL["following"], partition, seqs.get(partition, 0), _BATCH)
            for record in _records(following):
                seqs[partition] = record.seq
                yield record
        if not grown:
            await asyncio.sleep(_POLL_SECONDS)


async def detached(log: Connection) -> Sequence[int]:
    """The partitions whose events nothing here can show."""
    return [row["partition"] for row in await log.fetch(_SQL["detached"])]


async def _heads(log: Connection) -> Heads:
    return {row["partition"]: row["seq"] for row in await log.fetch(_SQL["heads"])}


def _stream_ids(identity: str) -> list[str]:
    with suppress(ValueError):
        return [f"{category}-{UUID(identity)}" for category in _CATEGORIES]
    return [identity]


def _records(rows: Sequence[asyncpg.Record]) -> list[LogRecord]:
    return [LogRecord(**row) for row in rows]
