"""Requests the transcription of a file and reserves its minutes, both or neither."""

from datetime import datetime
from uuid import UUID

from commands.execution import execute
from commands.streams import Streams
from domain.instructions import Instructions
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, FileUploaded, require_owned
from domain.ports import EventStore
from domain.quota import QUOTA, ReserveQuota, minutes_for
from domain.transcription import TRANSCRIPTION, RequestTranscription, transcription_id_of
from domain.transcription_events import Job


async def request_transcription(
    file_id: UUID,
    user_id: UUID,
    requested_at: datetime,
    store: EventStore,
    provenance: Provenance,
    *,
    instructions: Instructions = Instructions(),  # noqa: B008  # frozen
) -> Address | None:
    """Raises FileNotFound, NotOwner, TranscriptionExists or QuotaExceeded."""
    transcription_id = transcription_id_of(file_id)

    def decide(streams: Streams) -> None:
        file = require_owned(streams.state(MEDIA_FILE, file_id), file_id, user_id)
        request = _request_of(file, transcription_id, requested_at, instructions)
        streams.decide(TRANSCRIPTION, transcription_id, request)
        streams.decide(QUOTA, user_id, _reservation_of(request))

    return await execute(
        store,
        user_id,
        [(MEDIA_FILE, file_id), (TRANSCRIPTION, transcription_id), (QUOTA, user_id)],
        decide,
        provenance,
    )


def _request_of(
    file: FileUploaded, transcription_id: UUID, requested_at: datetime, instructions: Instructions
) -> RequestTranscription:
    return RequestTranscription(
        transcription_id=transcription_id,
        user_id=file.user_id,
        job=Job(
            file_id=file.file_id,
            media_key=file.media_key,
            media_sha256=file.media_sha256,
            duration_seconds=file.duration_seconds,
            language=instructions.language,
            task=instructions.task,
            prompt=instructions.prompt,
            vocabulary=instructions.vocabulary,
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
