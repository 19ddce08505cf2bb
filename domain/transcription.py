"""Transcriptions: requested, attempted at most three times, then completed, failed or cancelled; edited after; deleted."""

from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import asdict, replace

from domain.aligning import (
    Alignment,
    AlignmentCommand,
    AlignmentEvent,
    CompleteAlignment,
    Current,
    StartAlignment,
    decide_alignment,
    job_of,
)
from domain.attempts import ATTEMPTS_MAX, failures_after
from domain.decider import Decider
from domain.errors import (
    AttemptOfAnother,
    NothingDecoded,
    NotOwner,
    RevisionChanged,
    StaleAlignment,
    StaleAttempt,
    TranscriptionExists,
    TranscriptionNotCancellable,
    TranscriptionNotCompleted,
    TranscriptionNotDeletable,
    TranscriptionNotFound,
    TranscriptionWasDeleted,
)
from domain.revisions import tag_of
from domain.transcript_keys import require_own_key
from domain.transcription_commands import (
    CancelTranscription,
    CompleteTranscription,
    DeleteTranscription,
    EditTranscript,
    FailAttempt,
    RequestTranscription,
    StartTranscription,
    TranscriptionCommand,
)
from domain.transcription_events import (
    AlignmentEnded,
    AlignmentStarted,
    Job,
    TranscriptAligned,
    TranscriptEdited,
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionCompleted,
    TranscriptionDeleted,
    TranscriptionEvent,
    TranscriptionFailed,
    TranscriptionRequested,
    TranscriptionStarted,
)


class Status(StrEnum):
    """What a client sees; `ABSENT` is the state before the first request, and `DELETED` is absent for ever."""

    ABSENT = "absent"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


ACTIVE: Final = frozenset({Status.QUEUED, Status.PROCESSING})
REPEATABLE: Final = frozenset({Status.ABSENT, Status.FAILED, Status.CANCELLED})


class Transcription(Struct, frozen=True, kw_only=True):
    """`attempt` is the last one started (the fencing token); `failures` counts since the last request.

    `heard_key` is the engine's transcript, `transcript_key` the current revision; `alignment` is about its typed words.
    `earlier_tags` are those of the revisions before it that have the same words, and other times.
    """

    status: Status = Status.ABSENT
    user_id: UUID | None = None
    job: Job | None = None
    attempt: int = 0
    failures: int = 0
    worker_id: UUID | None = None
    revision: int = 0
    heard_key: str = ""
    transcript_key: str = ""
    transcript_sha256: str = ""
    alignment: Alignment = Alignment()
    earlier_tags: tuple[str, ...] = ()
    was_aligned: bool = False
    """Whether words of some revision were found in the sound, whose times the next ones keep."""

    @property
    def tag(self) -> str:
        """Of the current revision."""
        return tag_of(self.revision, self.transcript_sha256)


def transcription_id_of(file_id: UUID) -> UUID:
    """One transcription per file: a second request for the file meets the same stream."""
    return uuid5(file_id, "transcription")


def decide(command: TranscriptionCommand, state: Transcription) -> list[TranscriptionEvent]:
    match command:
        case RequestTranscription():
            return _request(command, state)
        case StartTranscription():
            return _start(command, state)
        case CompleteTranscription():
            return _complete(command, state)
        case FailAttempt():
            return _fail_attempt(command, state)
        case CancelTranscription():
            return _cancel(command, state)
        case EditTranscript():
            return _edit(command, state)
        case StartAlignment() | CompleteAlignment():
            return _align(command, state)
        case DeleteTranscription():
            return _delete(command, state)
        case _:
            assert_never(command)


def _request(command: RequestTranscription, state: Transcription) -> list[TranscriptionEvent]:
    if state.status is Status.DELETED:
        raise TranscriptionWasDeleted(command.transcription_id)
    if state.status not in REPEATABLE:
        raise TranscriptionExists(command.transcription_id)
    return [TranscriptionRequested(**asdict(command))]


def _start(command: StartTranscription, state: Transcription) -> list[TranscriptionEvent]:
    if _is_running(state, command.attempt) and state.worker_id == command.worker_id:
        return []
    if state.status is not Status.QUEUED or command.attempt != state.attempt + 1:
        raise StaleAttempt(command.attempt, state.attempt, state.status)
    assert state.job is not None
    assert state.user_id is not None
    return [
        TranscriptionStarted(
            transcription_id=command.transcription_id,
            user_id=state.user_id,
            attempt=command.attempt,
            worker_id=command.worker_id,
            job=state.job,
            started_at=command.started_at,
        )
    ]


def _complete(command: CompleteTranscription, state: Transcription) -> list[TranscriptionEvent]:
    if state.status is Status.COMPLETED and state.attempt == command.attempt:
        return []
    user_id = _require_running(state, command.attempt, command.worker_id)
    result = command.result
    require_own_key(result.transcript_key, user_id, command.transcription_id, result.transcript_sha256)
    if result.duration_seconds is not None and result.duration_seconds <= 0:
        raise NothingDecoded(command.transcription_id)
    return [
        TranscriptionCompleted(
            transcription_id=command.transcription_id,
            user_id=user_id,
            attempt=command.attempt,
            result=result,
            completed_at=command.completed_at,
        )
    ]


def _fail_attempt(command: FailAttempt, state: Transcription) -> list[TranscriptionEvent]:
    if state.status in (Status.QUEUED, Status.FAILED) and state.attempt == command.attempt:
        return []
    user_id = _require_running(state, command.attempt, command.worker_id)
    attempt_failed = TranscriptionAttemptFailed(
        transcription_id=command.transcription_id,
        user_id=user_id,
        attempt=command.attempt,
        worker_id=state.worker_id,
        reason=command.reason,
        failed_at=command.failed_at,
    )
    if not command.permanent and failures_after(state.failures, command.reason) < ATTEMPTS_MAX:
        return [attempt_failed]
    return [attempt_failed, _failed(attempt_failed)]


def _failed(last: TranscriptionAttemptFailed) -> TranscriptionFailed:
    return TranscriptionFailed(
        transcription_id=last.transcription_id,
        user_id=last.user_id,
        attempt=last.attempt,
        reason=last.reason,
        failed_at=last.failed_at,
    )


def _cancel(command: CancelTranscription, state: Transcription) -> list[TranscriptionEvent]:
    _require_owned(state, command.transcription_id, command.user_id)
    if state.status is Status.CANCELLED:
        return []
    if state.status not in ACTIVE:
        raise TranscriptionNotCancellable(state.status)
    return [_cancelled(command, state, command.cancelled_at)]


def _cancelled(
    command: CancelTranscription | DeleteTranscription, state: Transcription, at: datetime
) -> TranscriptionCancelled:
    return TranscriptionCancelled(
        transcription_id=command.transcription_id,
        user_id=command.user_id,
        attempt=state.attempt,
        worker_id=state.worker_id,
        cancelled_at=at,
    )


def _delete(command: DeleteTranscription, state: Transcription) -> list[TranscriptionEvent]:
    if state.status is Status.DELETED and state.user_id == command.user_id:
        return []
    _require_owned(state, command.transcription_id, command.user_id)
    if not command.cancels:
        require_ended(state, command.transcription_id)
    deleted = TranscriptionDeleted(
        transcription_id=command.transcription_id, user_id=command.user_id, deleted_at=command.deleted_at
    )
    if state.status in ACTIVE:
        return [_cancelled(command, state, command.deleted_at), deleted]
    return [deleted]


def _edit(command: EditTranscript, state: Transcription) -> list[TranscriptionEvent]:
    require_completed(state, command.transcription_id, command.user_id)
    if state.transcript_sha256 == command.transcript_sha256:
        return []  # Also for who expected another revision: what they want is so already.
    require_expected(state, command.expected)
    return [
        TranscriptEdited(
            transcription_id=command.transcription_id,
            user_id=command.user_id,
            revision=state.revision + 1,
            transcript_key=command.transcript_key,
            transcript_sha256=command.transcript_sha256,
            word_count=command.word_count,
            edited_at=command.edited_at,
            restored_revision=command.restored_revision,
            estimated_count=command.estimated_count if _says_what_is_spoken(state) else 0,
        )
    ]


def _says_what_is_spoken(state: Transcription) -> bool:
    """The words of a translation are not in the sound."""
    return state.job is not None and state.job.task == "transcribe"


def _align(command: AlignmentCommand, state: Transcription) -> list[TranscriptionEvent]:
    if state.status is not Status.COMPLETED:
        raise StaleAlignment(command.revision, state.revision)
    assert state.job is not None
    assert state.user_id is not None
    current = Current(
        user_id=state.user_id,
        revision=state.revision,
        job=job_of(state.job, state.transcript_key),
        alignment=state.alignment,
    )
    return [*decide_alignment(command, current)]


def require_expected(state: Transcription, expected: frozenset[str] | None) -> None:
    """Raises RevisionChanged unless the current revision, or one with the same words, is one of these; with None it may be any."""
    if expected is not None and expected.isdisjoint((state.tag, *state.earlier_tags)):
        raise RevisionChanged(state.revision, state.tag)


def require_completed(state: Transcription, transcription_id: UUID, user_id: UUID) -> None:
    """Raises unless this user's transcription has a transcript to read, edit or export."""
    _require_owned(state, transcription_id, user_id)
    if state.status is not Status.COMPLETED:
        raise TranscriptionNotCompleted(state.status)


def require_ended(state: Transcription, transcription_id: UUID) -> None:
    """Raises TranscriptionNotDeletable while it is queued or a worker has it in hand."""
    if state.status in ACTIVE:
        raise TranscriptionNotDeletable(transcription_id, state.status)


def _require_owned(state: Transcription, transcription_id: UUID, user_id: UUID) -> None:
    if state.status in (Status.ABSENT, Status.DELETED):
        raise TranscriptionNotFound(transcription_id)
    if state.user_id != user_id:
        raise NotOwner


def _require_running(state: Transcription, attempt: int, worker_id: UUID | None) -> UUID:
    """Whose transcription it is. Raises StaleAttempt or AttemptOfAnother."""
    if not _is_running(state, attempt):
        raise StaleAttempt(attempt, state.attempt, state.status)
    if worker_id not in (None, state.worker_id):
        raise AttemptOfAnother(attempt)
    assert state.user_id is not None
    return state.user_id


def _is_running(state: Transcription, attempt: int) -> bool:
    return state.status is Status.PROCESSING and state.attempt == attempt


def evolve(state: Transcription, event: TranscriptionEvent) -> Transcription:
    match event:
        case TranscriptionRequested():
            return replace(state, status=Status.QUEUED, user_id=event.user_id, job=event.job, failures=0)
        case TranscriptionStarted():
            return replace(
                state, status=Status.PROCESSING, attempt=event.attempt, worker_id=event.worker_id
            )
        case TranscriptionAttemptFailed():
            failures = failures_after(state.failures, event.reason)
            return replace(state, status=Status.QUEUED, failures=failures, worker_id=None)
        case TranscriptionCompleted():
            return replace(
                state,
                status=Status.COMPLETED,
                worker_id=None,
                revision=1,
                heard_key=event.result.transcript_key,
                transcript_key=event.result.transcript_key,
                transcript_sha256=event.result.transcript_sha256,
            )
        case TranscriptionFailed():
            return replace(state, status=Status.FAILED, worker_id=None)
        case TranscriptionCancelled():
            return replace(state, status=Status.CANCELLED, worker_id=None)
        case TranscriptEdited() | AlignmentStarted() | TranscriptAligned() | AlignmentEnded():
            return _revised(state, event)
        case TranscriptionDeleted():
            return Transcription(status=Status.DELETED, user_id=state.user_id, attempt=state.attempt)
        case _:
            assert_never(event)


def _revised(state: Transcription, event: TranscriptEdited | AlignmentEvent) -> Transcription:
    match event:
        case TranscriptEdited():
            return replace(
                state,
                revision=event.revision,
                transcript_key=event.transcript_key,
                transcript_sha256=event.transcript_sha256,
                alignment=Alignment(estimated_count=event.estimated_count),
                earlier_tags=(),
            )
        case AlignmentStarted():
            alignment = replace(state.alignment, attempt=event.attempt, worker_id=event.worker_id)
            return replace(state, alignment=alignment)
        case AlignmentEnded():
            return replace(state, alignment=Alignment())
        case TranscriptAligned():
            return replace(
                state,
                revision=event.revision,
                transcript_key=event.transcript_key,
                transcript_sha256=event.transcript_sha256,
                alignment=Alignment(),
                earlier_tags=(*state.earlier_tags, state.tag),
                was_aligned=True,
            )
        case _:
            assert_never(event)


TRANSCRIPTION: Decider[TranscriptionCommand, Transcription, TranscriptionEvent] = Decider(
    "transcription", Transcription(), decide, evolve
)
