"""Requests the transcription of a file and reserves its minutes, both or neither."""

from datetime import datetime
from uuid import UUID

from commands.execution import append, load, retried_on_conflict
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, FileUploaded, require_owned
from domain.ports import EventStore
from domain.quota import QUOTA, ReserveQuota, minutes_for
from domain.transcription import TRANSCRIPTION, Job, RequestTranscription, transcription_id_of


@retried_on_conflict
async def request_transcription(
    file_id: UUID,
    user_id: UUID,
    requested_at: datetime,
    store: EventStore,
    provenance: Provenance,
    *,
    language: str | None = None,
) -> Address | None:
    """Raises FileNotFound, NotOwner, TranscriptionExists or QuotaExceeded."""
    file = require_owned((await load(store, MEDIA_FILE, file_id)).state, file_id, user_id)
    request = _request_of(file, requested_at, language)
    transcription = await load(store, TRANSCRIPTION, request.transcription_id)
    requested = transcription.decide(request, user_id)
    quota = await load(store, QUOTA, user_id)
    return await append(store, provenance, requested, quota.decide(_reservation_of(request), user_id))


def _request_of(file: FileUploaded, requested_at: datetime, language: str | None) -> RequestTranscription:
    return RequestTranscription(
        transcription_id=transcription_id_of(file.file_id),
        user_id=file.user_id,
        job=Job(
            file_id=file.file_id,
            media_key=file.media_key,
            media_sha256=file.media_sha256,
            duration_seconds=file.duration_seconds,
            language=language,
        ),
        minutes=minutes_for(file.duration_seconds),
        requested_at=requested_at,
    )


def _reservation_of(request: RequestTranscription) -> ReserveQuota:
    return ReserveQuota(
        user_id=request.user_id,
        transcription_id=request.transcription_id,
        minutes=request.minutes,
        reserved_at=request.requested_at,
    )
