"""Uploaded files as their owner sees them, each with the state of its transcription."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.events import Event
from domain.media_file import FileDeleted, FileUploaded
from domain.personal import PersonalText
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections.paging import Cursor, Page, Wanted, listed, listed_wanted
from projections.projection import Projection, storable

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class FileRow(Struct, frozen=True):
    """`storage_url` is the key in the object store, and `stored_filename` the last part of it."""

    id: UUID
    user_id: UUID
    original_filename: PersonalText
    stored_filename: str
    storage_url: str
    file_size: int
    duration_seconds: float
    upload_status: str
    created_at: datetime


class FileView(FileRow, frozen=True):
    """A file with what became of it; `transcription_status` is "not_initiated" before the first request.

    `owner_leaves` says whether its owner has asked to be erased.
    """

    transcription_id: UUID | None
    transcription_status: str
    owner_leaves: bool


class ListedFile(Struct, frozen=True, array_like=True):
    """What a list shows."""

    id: UUID
    original_filename: PersonalText
    file_size: int
    duration_seconds: float
    created_at: datetime
    transcription_id: UUID | None
    transcription_status: str

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.created_at, self.id)


def project(row: FileRow | None, event: Event) -> FileRow | None:
    match event:
        case FileUploaded():
            return FileRow(
                id=event.file_id,
                user_id=event.user_id,
                original_filename=storable(event.filename),
                stored_filename=event.media_key.rpartition("/")[2],
                storage_url=event.media_key,
                file_size=event.size_bytes,
                duration_seconds=event.duration_seconds,
                upload_status="uploaded",
                created_at=event.uploaded_at,
            )
        case FileDeleted():
            return None
        case _:
            return row


FILES: Final = Projection(
    name="files",
    row=FileRow,
    keys={FileUploaded: lambda event: event.file_id, FileDeleted: lambda event: event.file_id},
    project=project,
    queries=SQL,
)


async def find_each(connection: Connection, file_ids: Sequence[UUID]) -> list[FileView | None]:
    """In the order of the ids."""
    records = await connection.fetch(SQL["find_each"], file_ids)
    found = {record[0]: FileView(*record) for record in records}
    return [found.get(each) for each in file_ids]


async def list_pages(connection: Connection, pages: Sequence[Page]) -> list[list[ListedFile] | None]:
    return await listed(connection, SQL["list_pages"], pages, ListedFile)


async def list_wanted(connection: Connection, page: Page, wanted: Wanted) -> list[ListedFile] | None:
    """None for who has asked to be erased."""
    return await listed_wanted(connection, SQL["list_wanted"], page, wanted, ListedFile)
