"""Who looks in the sound for the typed words of a revision: one worker at a time, a few times, and only while it is the current one."""

from typing import Final, TypeAlias, assert_never
from uuid import UUID

from msgspec import Struct

from domain.errors import StaleAlignment
from domain.moment import Moment
from domain.transcript_keys import require_own_key
from domain.transcription_events import (
    AlignmentEnded,
    AlignmentJob,
    AlignmentStarted,
    Job,
    TranscriptAligned,
)

ATTEMPTS_MAX: Final = 3
"""Whatever becomes of a worker, nobody else waits for it: after that their times stay estimated."""


class StartAlignment(Struct, frozen=True, kw_only=True):
    """`attempt` counts from 1 for each revision."""

    transcription_id: UUID
    revision: int
    attempt: int
    worker_id: UUID
    started_at: Moment


class CompleteAlignment(Struct, frozen=True, kw_only=True):
    """`revision` is the one whose words were looked for."""

    transcription_id: UUID
    revision: int
    attempt: int
    worker_id: UUID
    transcript_key: str
    transcript_sha256: str
    word_count: int
    aligned_count: int
    aligned_at: Moment


AlignmentCommand: TypeAlias = StartAlignment | CompleteAlignment
AlignmentEvent: TypeAlias = AlignmentStarted | TranscriptAligned | AlignmentEnded


class Alignment(Struct, frozen=True):
    """So many words of a revision wait to be looked for, which has been tried so many times, last by this worker."""

    estimated_count: int = 0
    attempt: int = 0
    worker_id: UUID | None = None


class Current(Struct, frozen=True, kw_only=True):
    """The current revision of a completed transcription."""

    user_id: UUID
    revision: int
    job: AlignmentJob
    alignment: Alignment


def job_of(job: Job, transcript_key: str) -> AlignmentJob:
    return AlignmentJob(
        transcript_key=transcript_key,
        media_key=job.media_key,
        media_sha256=job.media_sha256,
        duration_seconds=job.duration_seconds,
    )


def decide_alignment(command: AlignmentCommand, current: Current) -> list[AlignmentEvent]:
    """Raises StaleAlignment, or TranscriptMisplaced."""
    if command.revision != current.revision:
        raise StaleAlignment(command.revision, current.revision)
    match command:
        case StartAlignment():
            return _start(command, current)
        case CompleteAlignment():
            return _complete(command, current)
        case _:
            assert_never(command)


def _start(command: StartAlignment, current: Current) -> list[AlignmentEvent]:
    before = current.alignment
    if (before.attempt, before.worker_id) == (command.attempt, command.worker_id):
        return []
    if (
        not before.estimated_count
        or command.attempt != before.attempt + 1
        or command.attempt > ATTEMPTS_MAX
    ):
        raise StaleAlignment(command.revision, current.revision)
    return [
        AlignmentStarted(
            transcription_id=command.transcription_id,
            user_id=current.user_id,
            revision=command.revision,
            attempt=command.attempt,
            worker_id=command.worker_id,
            job=current.job,
            started_at=command.started_at,
        )
    ]


def _complete(command: CompleteAlignment, current: Current) -> list[AlignmentEvent]:
    if (command.attempt, command.worker_id) != (current.alignment.attempt, current.alignment.worker_id):
        raise StaleAlignment(command.revision, current.revision)
    if not command.aligned_count:
        return [
            AlignmentEnded(
                transcription_id=command.transcription_id,
                user_id=current.user_id,
                revision=current.revision,
                attempt=command.attempt,
                ended_at=command.aligned_at,
            )
        ]
    require_own_key(
        command.transcript_key, current.user_id, command.transcription_id, command.transcript_sha256
    )
    return [
        TranscriptAligned(
            transcription_id=command.transcription_id,
            user_id=current.user_id,
            revision=current.revision + 1,
            aligned_revision=current.revision,
            transcript_key=command.transcript_key,
            transcript_sha256=command.transcript_sha256,
            word_count=command.word_count,
            aligned_count=command.aligned_count,
            aligned_at=command.aligned_at,
        )
    ]
