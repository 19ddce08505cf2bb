"""Transcriptions as their owner sees them; their text is in the object store under `transcript_key`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.instructions import Instructions, Task
from domain.transcript import MediaWarning
from domain.transcription import Status
from domain.transcription_events import (
    AlignmentEnded,
    AlignmentStarted,
    TranscriptAligned,
    TranscriptEdited,
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionCompleted,
    TranscriptionDeleted,
    TranscriptionFailed,
    TranscriptionRequested,
    TranscriptionStarted,
)
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections.paging import Cursor, Page, Wanted, listed, listed_wanted
from projections.projection import Projection, storable

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
NO_WARNINGS: Final = "[]"

_WARNINGS: Final = msgspec.json.Decoder(tuple[MediaWarning, ...])


class TranscriptionRow(Struct, frozen=True):
    """`completed_at` is when it ended, also by failure or cancellation; `revision` is 0 without a transcript.

    `requested_at` is of the last request. `estimated_count` words of the current revision wait for being looked for in the
    sound, which has been tried `alignment_attempt` times, last by `aligner_id`. `instructions` is JSON, what the owner asked for, and so is `warnings`.
    """

    id: UUID
    file_id: UUID
    user_id: UUID
    status: str
    attempt: int
    failure_reason: str | None
    transcript_key: str | None
    transcript_sha256: str | None
    revision: int
    word_count: int | None
    language: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    processing_time_seconds: int | None
    instructions: str
    language_probability: float | None
    requested_at: datetime
    warnings: str
    estimated_count: int
    alignment_attempt: int
    aligner_id: UUID | None


class TranscriptionView(TranscriptionRow, frozen=True):
    """The row, and how far its attempts have come since it was requested: 0 to 100.

    `owner_leaves` says whether its owner has asked to be erased.
    """

    progress_percentage: int
    owner_leaves: bool

    @property
    def asked(self) -> Instructions:
        return msgspec.json.decode(self.instructions, type=Instructions)

    @property
    def media_warnings(self) -> tuple[MediaWarning, ...]:
        return _WARNINGS.decode(self.warnings)


class ListedTranscription(Struct, frozen=True, array_like=True):
    """What a list shows; `warnings` is JSON."""

    id: UUID
    file_id: UUID
    status: str
    created_at: datetime
    completed_at: datetime | None
    language: str | None
    task: Task
    warnings: str
    progress_percentage: int

    @property
    def media_warnings(self) -> tuple[MediaWarning, ...]:
        return () if self.warnings == NO_WARNINGS else _WARNINGS.decode(self.warnings)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.created_at, self.id)


def project(row: TranscriptionRow | None, event: Event) -> TranscriptionRow | None:
    if isinstance(event, TranscriptionRequested):
        return _requested(row, event)
    return None if row is None or isinstance(event, TranscriptionDeleted) else _went_on(row, event)


def _requested(row: TranscriptionRow | None, event: TranscriptionRequested) -> TranscriptionRow:
    """Requested again after a failure or cancellation, it keeps its place in lists and its attempt number."""
    return TranscriptionRow(
        id=event.transcription_id,
        file_id=event.job.file_id,
        user_id=event.user_id,
        status=Status.QUEUED,
        attempt=row.attempt if row else 0,
        failure_reason=None,
        transcript_key=None,
        transcript_sha256=None,
        revision=0,
        word_count=None,
        language=event.job.language and storable(event.job.language),
        created_at=row.created_at if row else event.requested_at,
        updated_at=event.requested_at,
        completed_at=None,
        processing_time_seconds=None,
        instructions=msgspec.json.encode(event.job.instructions).decode(),
        language_probability=None,
        requested_at=event.requested_at,
        warnings=NO_WARNINGS,
        estimated_count=0,
        alignment_attempt=0,
        aligner_id=None,
    )


def _went_on(row: TranscriptionRow, event: Event) -> TranscriptionRow:
    match event:
        case TranscriptionStarted():
            return replace(
                row, status=Status.PROCESSING, attempt=event.attempt, updated_at=event.started_at
            )
        case TranscriptionAttemptFailed():
            return replace(row, status=Status.QUEUED, updated_at=event.failed_at)
        case TranscriptionCompleted():
            return _completed(row, event)
        case TranscriptionFailed():
            return _ended(row, Status.FAILED, event.failed_at, storable(event.reason))
        case TranscriptionCancelled():
            return _ended(row, Status.CANCELLED, event.cancelled_at)
        case TranscriptEdited():
            return _edited(row, event)
        case AlignmentStarted():
            return replace(row, alignment_attempt=event.attempt, aligner_id=event.worker_id)
        case TranscriptAligned():
            return _aligned(row, event)
        case AlignmentEnded():
            return replace(row, estimated_count=0, alignment_attempt=0, aligner_id=None)
        case _:
            return row


def _completed(row: TranscriptionRow, event: TranscriptionCompleted) -> TranscriptionRow:
    return replace(
        row,
        status=Status.COMPLETED,
        transcript_key=event.result.transcript_key,
        transcript_sha256=event.result.transcript_sha256,
        revision=1,
        word_count=event.result.word_count,
        language=storable(event.result.language),
        updated_at=event.completed_at,
        completed_at=event.completed_at,
        processing_time_seconds=round(event.result.processing_seconds),
        language_probability=event.result.language_probability,
        warnings=msgspec.json.encode(event.result.warnings).decode(),
    )


def _ended(
    row: TranscriptionRow, status: Status, at: datetime, failure_reason: str | None = None
) -> TranscriptionRow:
    return replace(row, status=status, failure_reason=failure_reason, updated_at=at, completed_at=at)


def _edited(row: TranscriptionRow, event: TranscriptEdited) -> TranscriptionRow:
    return replace(
        row,
        transcript_key=event.transcript_key,
        transcript_sha256=event.transcript_sha256,
        revision=event.revision,
        word_count=event.word_count,
        updated_at=event.edited_at,
        estimated_count=event.estimated_count,
        alignment_attempt=0,
        aligner_id=None,
    )


def _aligned(row: TranscriptionRow, event: TranscriptAligned) -> TranscriptionRow:
    return replace(
        row,
        transcript_key=event.transcript_key,
        transcript_sha256=event.transcript_sha256,
        revision=event.revision,
        word_count=event.word_count,
        updated_at=event.aligned_at,
        estimated_count=0,
        alignment_attempt=0,
        aligner_id=None,
    )


TRANSCRIPTIONS: Final = Projection(
    name="transcriptions",
    row=TranscriptionRow,
    keys={
        TranscriptionRequested: lambda event: event.transcription_id,
        TranscriptionStarted: lambda event: event.transcription_id,
        TranscriptionAttemptFailed: lambda event: event.transcription_id,
        TranscriptionCompleted: lambda event: event.transcription_id,
        TranscriptionFailed: lambda event: event.transcription_id,
        TranscriptionCancelled: lambda event: event.transcription_id,
        TranscriptEdited: lambda event: event.transcription_id,
        AlignmentStarted: lambda event: event.transcription_id,
        AlignmentEnded: lambda event: event.transcription_id,
        TranscriptAligned: lambda event: event.transcription_id,
        TranscriptionDeleted: lambda event: event.transcription_id,
    },
    project=project,
    queries=SQL,
    version=4,
)


async def find_each(
    connection: Connection, transcription_ids: Sequence[UUID]
) -> list[TranscriptionView | None]:
    """In the order of the ids."""
    records = await connection.fetch(SQL["find_each"], transcription_ids)
    found = {record[0]: TranscriptionView(*record) for record in records}
    return [found.get(each) for each in transcription_ids]


async def list_pages(
    connection: Connection, pages: Sequence[Page]
) -> list[list[ListedTranscription] | None]:
    return await listed(connection, SQL["list_pages"], pages, ListedTranscription)


async def list_wanted(
    connection: Connection, page: Page, wanted: Wanted
) -> list[ListedTranscription] | None:
    """None for who has asked to be erased."""
    return await listed_wanted(connection, SQL["list_wanted"], page, wanted, ListedTranscription)
