"""What happens to a transcription, as stored events."""

from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from domain.instructions import Instructions, Task, Vocabulary
from domain.moment import Moment
from domain.personal import PersonalText
from domain.transcript import MediaWarning


class Job(Struct, frozen=True, kw_only=True):
    """What a worker needs to know to do the work."""

    file_id: UUID
    media_key: str
    media_sha256: str
    duration_seconds: float
    language: str | None = None
    task: Task = "transcribe"
    prompt: PersonalText = ""
    vocabulary: Vocabulary = ()
    instructions_key: str | None = None
    """Where a worker finds prompt and vocabulary, which it cannot read here. None where there are none."""

    @property
    def instructions(self) -> Instructions:
        return Instructions(
            language=self.language, task=self.task, prompt=self.prompt, vocabulary=self.vocabulary
        )


class Result(Struct, frozen=True, kw_only=True):
    """Where the transcript lies in the object store, and the facts about it.

    `duration_seconds` is how much of the recording could be decoded, which is what its owner pays for; None in
    events of before that was told. `warnings` say what could not.
    """

    transcript_key: str
    transcript_sha256: str
    word_count: int
    language: str
    engine: str
    processing_seconds: float
    language_probability: float | None = None
    """How sure the engine was of the language that it detected; None where it was told, or could not tell."""
    duration_seconds: float | None = None
    warnings: tuple[MediaWarning, ...] = ()


class TranscriptionRequested(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    user_id: UUID
    job: Job
    minutes: int
    requested_at: Moment


class TranscriptionStarted(Struct, frozen=True, kw_only=True):
    """The assignment of one attempt to one worker."""

    transcription_id: UUID
    user_id: UUID
    attempt: int
    worker_id: UUID
    job: Job
    started_at: Moment


class TranscriptionAttemptFailed(Struct, frozen=True, kw_only=True):
    """`worker_id` is the worker to stop, if it does not know; None in events of before 26 November 2026."""

    transcription_id: UUID
    user_id: UUID
    attempt: int
    worker_id: UUID | None = None
    reason: str
    failed_at: Moment


class TranscriptionCompleted(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    user_id: UUID
    attempt: int
    result: Result
    completed_at: Moment


class TranscriptionFailed(Struct, frozen=True, kw_only=True):
    transcription_id: UUID
    user_id: UUID
    attempt: int
    reason: str
    failed_at: Moment


class TranscriptionCancelled(Struct, frozen=True, kw_only=True):
    """`worker_id` is the worker to stop, None when no attempt was running."""

    transcription_id: UUID
    user_id: UUID
    attempt: int
    worker_id: UUID | None
    cancelled_at: Moment


class TranscriptEdited(Struct, frozen=True, kw_only=True):
    """The engine's transcript is revision 1; each edit makes the next one.

    `restored_revision` is the one whose words it brought back, None for words that somebody wrote.
    """

    transcription_id: UUID
    user_id: UUID
    revision: int
    transcript_key: str
    transcript_sha256: str
    word_count: int
    edited_at: Moment
    restored_revision: int | None = None
    estimated_count: int = 0
    """Words whose times are estimated; 0 where none are to be looked for in the sound."""


class AlignmentJob(Struct, frozen=True, kw_only=True):
    """What a worker needs to know to find typed words in the sound."""

    transcript_key: str
    media_key: str
    media_sha256: str
    duration_seconds: float


class AlignmentStarted(Struct, frozen=True, kw_only=True):
    """The assignment to one worker: to look in the sound for the words of a revision whose times are estimated."""

    transcription_id: UUID
    user_id: UUID
    revision: int
    attempt: int
    worker_id: UUID
    job: AlignmentJob
    started_at: Moment


class TranscriptAligned(Struct, frozen=True, kw_only=True):
    """The next revision has the words of the one before, `aligned_revision`, and measured times for `aligned_count` of them."""

    transcription_id: UUID
    user_id: UUID
    revision: int
    aligned_revision: int
    transcript_key: str
    transcript_sha256: str
    word_count: int
    aligned_count: int
    aligned_at: Moment


class AlignmentEnded(Struct, frozen=True, kw_only=True):
    """None of the typed words of a revision was found, so that they are not looked for again."""

    transcription_id: UUID
    user_id: UUID
    revision: int
    attempt: int
    ended_at: Moment


class TranscriptionDeleted(Struct, frozen=True, kw_only=True):
    """One that was queued or running is cancelled before, and its minutes are released."""

    transcription_id: UUID
    user_id: UUID
    deleted_at: Moment


TranscriptionEvent: TypeAlias = (
    TranscriptionRequested
    | TranscriptionStarted
    | TranscriptionAttemptFailed
    | TranscriptionCompleted
    | TranscriptionFailed
    | TranscriptionCancelled
    | TranscriptEdited
    | AlignmentStarted
    | TranscriptAligned
    | AlignmentEnded
    | TranscriptionDeleted
)
