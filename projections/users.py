"""Users as their owner sees them; password hashes are not here but with the credentials."""

from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.personal import PersonalText
from domain.quota import QuotaGranted, QuotaReleased, QuotaReserved
from domain.user import UserErased, UserErasureRequested, UserRegistered
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections.projection import Projection

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class UserRow(Struct, frozen=True):
    """`quota_minutes` is what can still be spent: reserved minutes are off it already."""

    id: UUID
    email: PersonalText
    created_at: datetime
    updated_at: datetime
    quota_minutes: int


class UserView(UserRow, frozen=True):
    """`leaves` says whether the user has asked to be erased, which is known before it is folded."""

    leaves: bool


def project(row: UserRow | None, event: Event) -> UserRow | None:
    match event:
        case UserRegistered():
            return UserRow(event.user_id, event.email, event.registered_at, event.registered_at, 0)
        case QuotaGranted():
            return _changed(row, event.minutes, event.granted_at)
        case QuotaReserved():
            return _changed(row, -event.minutes, event.reserved_at)
        case QuotaReleased():
            return _changed(row, event.minutes, event.released_at)
        case UserErasureRequested():
            return None if row is None else replace(row, email="", updated_at=event.requested_at)
        case UserErased():
            return None
        case _:
            return row


def _changed(row: UserRow | None, minutes: int, updated_at: datetime) -> UserRow | None:
    if row is None:
        return None
    return replace(row, quota_minutes=row.quota_minutes + minutes, updated_at=updated_at)


USERS: Final = Projection(
    name="users",
    row=UserRow,
    keys={
        UserRegistered: lambda event: event.user_id,
        QuotaGranted: lambda event: event.user_id,
        QuotaReserved: lambda event: event.user_id,
        QuotaReleased: lambda event: event.user_id,
        UserErasureRequested: lambda event: event.user_id,
        UserErased: lambda event: event.user_id,
    },
    project=project,
    queries=SQL,
)


async def find(connection: Connection, user_id: UUID) -> UserView | None:
    record = await connection.fetchrow(SQL["find"], user_id)
    return None if record is None else UserView(*record)
