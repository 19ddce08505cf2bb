"""What somebody may want of a transcription, as commands."""

from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from domain.aligning import AlignmentCommand
from domain.moment import Moment
from domain.transcription_events import Job, Result


class RequestTranscription(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    user_id: UUID
    job: Job
    minutes: int
    requested_at: Moment


class StartTranscription(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    attempt: int
    worker_id: UUID
    started_at: Moment


class CompleteTranscription(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    attempt: int
    worker_id: UUID
    result: Result
    completed_at: Moment


class FailAttempt(Struct, frozen=True, kw_only=True):
    """`permanent` faults (unreadable media) are not tried again. Without a worker it is the dispatcher's word."""

    transcription_id: UUID
    attempt: int
    worker_id: UUID | None = None
    reason: str
    permanent: bool
    failed_at: Moment


class CancelTranscription(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    user_id: UUID
    cancelled_at: Moment


class EditTranscript(Struct, frozen=True, kw_only=True):
    """`expected` are the tags of the revisions that it may follow, None for any; `restored_revision` as in the event."""

    transcription_id: UUID
    user_id: UUID
    transcript_key: str
    transcript_sha256: str
    word_count: int
    edited_at: Moment
    expected: frozenset[str] | None = None
    restored_revision: int | None = None
    estimated_count: int = 0


class DeleteTranscription(Struct, frozen=True, kw_only=True):
    """One that has not ended is cancelled with it only where `cancels` says so."""

    transcription_id: UUID
    user_id: UUID
    deleted_at: Moment
    cancels: bool = False


TranscriptionCommand: TypeAlias = (
    RequestTranscription
    | StartTranscription
    | CompleteTranscription
    | FailAttempt
    | CancelTranscription
    | EditTranscript
    | AlignmentCommand
    | DeleteTranscription
)
