"""What each user was granted, holds reserved and has spent, in minutes."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.quota import QuotaDebited, QuotaGranted, QuotaReleased, QuotaReserved
from domain.user import UserErased
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections.projection import Projection

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class QuotaRow(Struct, frozen=True):
    user_id: UUID
    minutes_granted: int
    minutes_reserved: int
    minutes_debited: int
    updated_at: datetime

    @property
    def minutes_available(self) -> int:
        return self.minutes_granted - self.minutes_reserved - self.minutes_debited


class QuotaView(QuotaRow, frozen=True):
    """`leaves` says whether the user has asked to be erased."""

    leaves: bool


def project(row: QuotaRow | None, event: Event) -> QuotaRow | None:
    match event:
        case QuotaGranted():
            row = row or QuotaRow(event.user_id, 0, 0, 0, event.granted_at)
            return _changed(row, event.granted_at, granted=event.minutes)
        case QuotaReserved():
            return _changed(row, event.reserved_at, reserved=event.minutes)
        case QuotaDebited():
            return _changed(row, event.debited_at, reserved=-event.minutes, debited=event.minutes)
        case QuotaReleased():
            return _changed(row, event.released_at, reserved=-event.minutes)
        case UserErased():
            return None
        case _:
            return row


def _changed(
    row: QuotaRow | None, updated_at: datetime, *, granted: int = 0, reserved: int = 0, debited: int = 0
) -> QuotaRow | None:
    if row is None:
        return None
    return replace(
        row,
        minutes_granted=row.minutes_granted + granted,
        minutes_reserved=row.minutes_reserved + reserved,
        minutes_debited=row.minutes_debited + debited,
        updated_at=updated_at,
    )


QUOTA: Final = Projection(
    name="quota",
    row=QuotaRow,
    keys={
        QuotaGranted: lambda event: event.user_id,
        QuotaReserved: lambda event: event.user_id,
        QuotaDebited: lambda event: event.user_id,
        QuotaReleased: lambda event: event.user_id,
        UserErased: lambda event: event.user_id,
    },
    project=project,
    queries=SQL,
)


async def find_each(connection: Connection, user_ids: Sequence[UUID]) -> list[QuotaView | None]:
    """In the order of the ids."""
    found = {record[0]: QuotaView(*record) for record in await connection.fetch(SQL["find_each"], user_ids)}
    return [found.get(each) for each in user_ids]
