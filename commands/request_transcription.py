"""Requests the transcription of a file and reserves its minutes, both or neither."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from commands.execution import execute
from commands.objects_first import Named, put_before_event
from commands.streams import Streams, Subject
from domain.instructions import Instructions
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, FileUploaded, require_owned
from domain.ports import EventStore, ObjectStore
from domain.quota import QUOTA, ReserveQuota, minutes_for
from domain.transcription import TRANSCRIPTION, transcription_id_of
from domain.transcription_commands import RequestTranscription
from domain.transcription_events import Job
from domain.user import USER, require_staying
from schemas.objects import encode_instructions, instructions_key


def nothing(_: Streams) -> None:
    """Decides nothing."""


async def request_transcription(
    file_id: UUID,
    user_id: UUID,
    requested_at: datetime,
    store: EventStore,
    provenance: Provenance,
    *,
    instructions: Instructions = Instructions(),  # noqa: B008  # frozen
    objects: ObjectStore | None = None,
    first: Callable[[Streams], None] = nothing,
    last: Callable[[Streams], None] = nothing,
) -> Address | None:
    """A prompt and a vocabulary are put into `objects`, which then has to be given: a worker cannot read them in the event.

    `first` decides about the file before, and `last` hears what was decided: all of it is appended, or none.
    Raises FileNotFound, NotOwner, TranscriptionExists, QuotaExceeded, PersonErased or ObjectStoreUnavailable.
    """
    transcription_id = transcription_id_of(file_id)

    async def request(key: str | None, named: Named) -> Address | None:
        def decide(streams: Streams) -> None:
            named.undecided()
            require_staying(streams.state(USER, user_id))
            first(streams)
            file = require_owned(streams.state(MEDIA_FILE, file_id), file_id, user_id)
            request = _request_of(file, transcription_id, requested_at, instructions, key)
            streams.decide(TRANSCRIPTION, transcription_id, request)
            streams.decide(QUOTA, user_id, _reservation_of(request))
            named.appended()
            last(streams)

        about: list[Subject] = [
            (USER, user_id),
            (MEDIA_FILE, file_id),
            (TRANSCRIPTION, transcription_id),
            (QUOTA, user_id),
        ]
        return await execute(store, user_id, about, decide, provenance)

    if not (instructions.prompt or instructions.vocabulary):
        return await request(None, Named())
    assert objects is not None, "what the engine is told goes by way of the object store"
    key = instructions_key(user_id, transcription_id, uuid4())
    async with put_before_event(objects, key) as named:
        await objects.put(key, encode_instructions(instructions))
        return await request(key, named)


def _request_of(
    file: FileUploaded,
    transcription_id: UUID,
    requested_at: datetime,
    instructions: Instructions,
    key: str | None,
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
            instructions_key=key,
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
