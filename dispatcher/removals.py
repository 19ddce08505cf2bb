"""Whose objects are to be removed since their file or transcription was deleted: a fold of the log, worked off."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct

from dispatcher.ports import DueRemoval
from domain.events import Event
from domain.media_file import FileDeleted
from domain.transcription_events import TranscriptionDeleted
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from projections.projection import Projection
from schemas.objects import FILE, TRANSCRIPTION

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class Removal(Struct, frozen=True):
    """Of everything in the object store of what was deleted."""

    id: UUID
    kind: str
    user_id: UUID


def project(row: Removal | None, event: Event) -> Removal | None:
    match event:
        case FileDeleted():
            return Removal(event.file_id, FILE, event.user_id)
        case TranscriptionDeleted():
            return Removal(event.transcription_id, TRANSCRIPTION, event.user_id)
        case _:
            return row


REMOVALS: Final = Projection(
    name="object_removals",
    row=Removal,
    keys={
        FileDeleted: lambda event: event.file_id,
        TranscriptionDeleted: lambda event: event.transcription_id,
    },
    project=project,
    queries=SQL,
    keeps_rows=False,
)


@dataclass(frozen=True, slots=True)
class PostgresRemovals:
    """Implements Removals."""

    pool: Pool

    async def due(self, removals_max: int) -> Sequence[DueRemoval]:
        return [DueRemoval(*row) for row in await self.pool.fetch(SQL["due"], removals_max)]

    async def put_off(self, removal: DueRemoval, passes: int, seconds: float) -> None:
        await self.pool.execute(SQL["put_off"], removal.id, removal.passes, passes, seconds)

    async def finish(self, removal: DueRemoval) -> None:
        await self.pool.execute(SQL["finish"], removal.id)
