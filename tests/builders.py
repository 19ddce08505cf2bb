"""Commands and events with defaults, so that a test names only what matters to it."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

from domain import api_keys, media_file, quota, transcription, transcription_events, user
from domain.aligning import job_of
from domain.transcript import MediaWarning
from domain.transcript_keys import transcript_key

NAMESPACE: Final = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER: Final = NOON + timedelta(minutes=5)


def identity(name: str) -> UUID:
    """The same id for the same name."""
    return uuid5(NAMESPACE, name)


ANNA: Final = identity("anna")
BERT: Final = identity("bert")
FILE: Final = identity("file")
TRANSCRIPTION: Final = transcription.transcription_id_of(FILE)
WORKER: Final = identity("worker")
OTHER_WORKER: Final = identity("other worker")


def registered(*, user_id: UUID = ANNA, email: str = "anna@example.com") -> user.UserRegistered:
    return user.UserRegistered(user_id=user_id, email=email, registered_at=NOON)


def erasure_requested(*, user_id: UUID = ANNA) -> user.UserErasureRequested:
    return user.UserErasureRequested(user_id=user_id, requested_at=NOON)


def erased(*, user_id: UUID = ANNA) -> user.UserErased:
    return user.UserErased(user_id=user_id, erased_at=NOON)


def api_key_created(
    *,
    user_id: UUID = ANNA,
    key: str = "key",
    scopes: tuple[api_keys.KeyScope, ...] = ("read",),
    created_at: datetime = NOON,
    expires_at: datetime | None = None,
) -> api_keys.ApiKeyCreated:
    return api_keys.ApiKeyCreated(
        key_id=identity(key),
        user_id=user_id,
        name=f"Anna's {key}",
        scopes=scopes,
        prefix="steno_Ab12Cd",
        key_sha256=sha256(key.encode()).hexdigest(),
        created_at=created_at,
        expires_at=expires_at,
    )


def api_key_revoked(*, user_id: UUID = ANNA, key: str = "key") -> api_keys.ApiKeyRevoked:
    return api_keys.ApiKeyRevoked(key_id=identity(key), user_id=user_id, revoked_at=NOON)


def granted(minutes: int, *, user_id: UUID = ANNA, grant: str = "free minutes") -> quota.QuotaGranted:
    return quota.QuotaGranted(user_id=user_id, grant_id=identity(grant), minutes=minutes, granted_at=NOON)


def reserved(
    minutes: int, *, user_id: UUID = ANNA, transcription_id: UUID = TRANSCRIPTION
) -> quota.QuotaReserved:
    return quota.QuotaReserved(
        user_id=user_id, transcription_id=transcription_id, minutes=minutes, reserved_at=NOON
    )


def debited(
    minutes: int, *, user_id: UUID = ANNA, transcription_id: UUID = TRANSCRIPTION
) -> quota.QuotaDebited:
    return quota.QuotaDebited(
        user_id=user_id, transcription_id=transcription_id, minutes=minutes, debited_at=NOON
    )


def released(
    minutes: int, *, user_id: UUID = ANNA, transcription_id: UUID = TRANSCRIPTION
) -> quota.QuotaReleased:
    return quota.QuotaReleased(
        user_id=user_id, transcription_id=transcription_id, minutes=minutes, released_at=NOON
    )


def uploaded(
    *, user_id: UUID = ANNA, file_id: UUID = FILE, duration_seconds: float = 90.0
) -> media_file.FileUploaded:
    return media_file.FileUploaded(
        file_id=file_id,
        user_id=user_id,
        filename="talk.mp3",
        media_key=f"media/{user_id}/{'ab' * 32}",
        media_sha256="ab" * 32,
        size_bytes=1_000,
        duration_seconds=duration_seconds,
        uploaded_at=NOON,
    )


def file_deleted(*, user_id: UUID = ANNA, file_id: UUID = FILE) -> media_file.FileDeleted:
    return media_file.FileDeleted(file_id=file_id, user_id=user_id, deleted_at=NOON)


def job(*, file_id: UUID = FILE, duration_seconds: float = 90.0) -> transcription_events.Job:
    return transcription_events.Job(
        file_id=file_id,
        media_key=f"media/{ANNA}/{'ab' * 32}",
        media_sha256="ab" * 32,
        duration_seconds=duration_seconds,
    )


def result(
    *,
    name: str = "first",
    user_id: UUID = ANNA,
    transcription_id: UUID = TRANSCRIPTION,
    duration_seconds: float | None = 90.0,
    warnings: tuple[MediaWarning, ...] = (),
) -> transcription_events.Result:
    return transcription_events.Result(
        transcript_key=transcript_key(user_id, transcription_id, name),
        transcript_sha256=name,
        word_count=12,
        language="en",
        engine="scripted",
        processing_seconds=3.0,
        duration_seconds=duration_seconds,
        warnings=warnings,
    )


def requested(
    *, user_id: UUID = ANNA, transcription_id: UUID = TRANSCRIPTION, minutes: int = 2
) -> transcription_events.TranscriptionRequested:
    return transcription_events.TranscriptionRequested(
        transcription_id=transcription_id,
        user_id=user_id,
        job=job(),
        minutes=minutes,
        requested_at=NOON,
    )


def started(
    attempt: int = 1,
    *,
    user_id: UUID = ANNA,
    transcription_id: UUID = TRANSCRIPTION,
    worker_id: UUID = WORKER,
) -> transcription_events.TranscriptionStarted:
    return transcription_events.TranscriptionStarted(
        transcription_id=transcription_id,
        user_id=user_id,
        attempt=attempt,
        worker_id=worker_id,
        job=job(),
        started_at=NOON,
    )


def attempt_failed(
    attempt: int = 1, *, user_id: UUID = ANNA, reason: str = "lease_expired"
) -> transcription_events.TranscriptionAttemptFailed:
    return transcription_events.TranscriptionAttemptFailed(
        transcription_id=TRANSCRIPTION,
        user_id=user_id,
        attempt=attempt,
        worker_id=WORKER,
        reason=reason,
        failed_at=NOON,
    )


def completed(
    attempt: int = 1, *, user_id: UUID = ANNA, transcription_id: UUID = TRANSCRIPTION
) -> transcription_events.TranscriptionCompleted:
    return transcription_events.TranscriptionCompleted(
        transcription_id=transcription_id,
        user_id=user_id,
        attempt=attempt,
        result=result(user_id=user_id, transcription_id=transcription_id),
        completed_at=NOON,
    )


def failed(
    attempt: int = 1, *, user_id: UUID = ANNA, reason: str = "lease_expired"
) -> transcription_events.TranscriptionFailed:
    return transcription_events.TranscriptionFailed(
        transcription_id=TRANSCRIPTION,
        user_id=user_id,
        attempt=attempt,
        reason=reason,
        failed_at=NOON,
    )


def cancelled(
    attempt: int = 0, *, user_id: UUID = ANNA, worker_id: UUID | None = None
) -> transcription_events.TranscriptionCancelled:
    return transcription_events.TranscriptionCancelled(
        transcription_id=TRANSCRIPTION,
        user_id=user_id,
        attempt=attempt,
        worker_id=worker_id,
        cancelled_at=NOON,
    )


def edited(
    revision: int = 2, *, user_id: UUID = ANNA, name: str = "second", restored_revision: int | None = None
) -> transcription_events.TranscriptEdited:
    return transcription_events.TranscriptEdited(
        transcription_id=TRANSCRIPTION,
        user_id=user_id,
        revision=revision,
        transcript_key=f"transcripts/{name}",
        transcript_sha256=name,
        word_count=11,
        edited_at=NOON,
        restored_revision=restored_revision,
    )


def alignment_started(
    attempt: int = 1, *, revision: int = 2, worker_id: UUID = WORKER, name: str = "second"
) -> transcription_events.AlignmentStarted:
    return transcription_events.AlignmentStarted(
        transcription_id=TRANSCRIPTION,
        user_id=ANNA,
        revision=revision,
        attempt=attempt,
        worker_id=worker_id,
        job=job_of(job(), f"transcripts/{name}"),
        started_at=NOON,
    )


def alignment_ended(attempt: int = 1, *, revision: int = 2) -> transcription_events.AlignmentEnded:
    return transcription_events.AlignmentEnded(
        transcription_id=TRANSCRIPTION, user_id=ANNA, revision=revision, attempt=attempt, ended_at=NOON
    )


def transcript_aligned(
    revision: int = 3, *, name: str = "aligned"
) -> transcription_events.TranscriptAligned:
    return transcription_events.TranscriptAligned(
        transcription_id=TRANSCRIPTION,
        user_id=ANNA,
        revision=revision,
        aligned_revision=revision - 1,
        transcript_key=transcript_key(ANNA, TRANSCRIPTION, name),
        transcript_sha256=name,
        word_count=11,
        aligned_count=3,
        aligned_at=NOON,
    )


def deleted(
    *, user_id: UUID = ANNA, transcription_id: UUID = TRANSCRIPTION
) -> transcription_events.TranscriptionDeleted:
    return transcription_events.TranscriptionDeleted(
        transcription_id=transcription_id, user_id=user_id, deleted_at=NOON
    )
