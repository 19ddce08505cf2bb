"""The recorder contract of the `eventsourcing` package, with async methods, over one partition of the log."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    Notification,
    OperationalError,
    PersistenceError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)

from domain.log import Address, Provenance
from infrastructure.postgres.appending import NewEvents, announce_within, append_group, recorded_event
from infrastructure.postgres.mapper import topic_of, type_named
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.postgres.queries import load_queries
from schemas.events import EventType

NOBODY: Final = UUID(int=0)
"""The owner and correlation of events that were inserted without saying whose they are."""

_SQL: Final = load_queries(Path(__file__).parent / "recorder.sql")
_ANONYMOUS: Final = Provenance(actor="recorder", correlation_id=NOBODY)


class PostgresRecorder:
    """AggregateRecorder, ApplicationRecorder, TrackingRecorder and ProcessRecorder, each method awaited.

    A stream is an originator and `seq` is the notification id. Inserting goes to one partition, 0 unless told
    otherwise; an originator's events are found in whichever partition they are. Errors are the package's own.
    """

    def __init__(self, pool: Pool, partition: int = 0) -> None:
        self._pool = pool
        self._partition = partition

    async def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        owner_id: UUID = NOBODY,
        provenance: Provenance = _ANONYMOUS,
        **_: Any,
    ) -> Sequence[int] | None:
        """All of them and the tracking, or nothing; the notification ids. Raises IntegrityError."""
        with_ids = [recorded_event(each, self._partition, owner_id, provenance) for each in stored_events]
        async with _errors_translated(), self._pool.acquire() as connection, connection.transaction():
            if tracking is not None:
                await _insert_tracking(connection, tracking)
            return await self._insert(connection, with_ids) if with_ids else None

    async def _insert(self, connection: Connection, events: Sequence[Any]) -> Sequence[int]:
        [last] = await append_group(connection, [NewEvents(self._partition, [], made=events)])
        assert isinstance(last, Address), "no version was expected, so none was wrong"
        await announce_within(connection, self._partition)
        return range(last.seq - len(events) + 1, last.seq + 1)

    async def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[StoredEvent]:
        query = _SQL["select_events_backwards" if desc else "select_events"]
        async with _errors_translated():
            rows = await self._pool.fetch(query, str(originator_id), gt, lte, limit)
        return [_stored_event(row) for row in rows]

    async def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[Notification]:
        first = 1 if start is None else start + (not inclusive_of_start)
        types = [type_named(topic) for topic in topics]
        async with _errors_translated():
            rows = await self._pool.fetch(
                _SQL["select_notifications"],
                self._partition,
                first,
                stop,
                [each.name for each in types] or None,
                [each.schema_version for each in types],
                limit,
            )
        return [_notification(row) for row in rows]

    async def max_notification_id(self) -> int | None:
        return await self._fetch_number(_SQL["max_notification_id"], self._partition)

    async def insert_tracking(self, tracking: Tracking) -> None:
        """Raises IntegrityError unless it is further than what is known."""
        async with _errors_translated(), self._pool.acquire() as connection:
            await _insert_tracking(connection, tracking)

    async def max_tracking_id(self, application_name: str) -> int | None:
        return await self._fetch_number(_SQL["max_tracking_id"], application_name)

    async def has_tracking_id(self, application_name: str, notification_id: int | None) -> bool:
        if notification_id is None:
            return True
        reached = await self.max_tracking_id(application_name)
        return reached is not None and reached >= notification_id

    async def _fetch_number(self, query: str, argument: object) -> int | None:
        async with _errors_translated():
            number: int | None = await self._pool.fetchval(query, argument)
        return number


async def _insert_tracking(connection: Connection, tracking: Tracking) -> None:
    advanced = await connection.fetchval(
        _SQL["insert_tracking"], tracking.application_name, tracking.notification_id
    )
    if advanced is None:
        raise IntegrityError(f"{tracking} is not further than what is known")


def _stored_event(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(
        originator_id=row["stream_id"],
        originator_version=row["version"],
        topic=topic_of(EventType(row["type"], row["schema_version"])),
        state=row["data"],
    )


def _notification(row: asyncpg.Record) -> Notification:
    return Notification(
        originator_id=row["stream_id"],
        originator_version=row["version"],
        topic=topic_of(EventType(row["type"], row["schema_version"])),
        state=row["data"],
        id=row["seq"],
    )


_TRANSLATIONS: Final[Sequence[tuple[type[BaseException], type[PersistenceError]]]] = (
    (asyncpg.IntegrityConstraintViolationError, IntegrityError),
    (asyncpg.DataError, DataError),
    (asyncpg.SyntaxOrAccessError, ProgrammingError),
    (asyncpg.InternalServerError, InternalError),
    (asyncpg.InterfaceError, InterfaceError),
    (asyncpg.PostgresConnectionError, OperationalError),
    (asyncpg.OperatorInterventionError, OperationalError),
    (asyncpg.InsufficientResourcesError, OperationalError),
    (asyncpg.TransactionRollbackError, OperationalError),
    (asyncpg.LockNotAvailableError, OperationalError),
    (OSError, OperationalError),
    (asyncpg.PostgresError, DatabaseError),
)


@asynccontextmanager
async def _errors_translated() -> AsyncIterator[None]:
    """The first translation that fits, most special first."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as problem:
        [translated, *_] = [target for source, target in _TRANSLATIONS if isinstance(problem, source)]
        raise translated(str(problem)) from problem
