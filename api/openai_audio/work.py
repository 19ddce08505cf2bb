"""The work behind a request: begun where there is none yet of this recording with these instructions, else found."""

from typing import Final
from uuid import UUID, uuid4

import msgspec

from api.consistency import settle
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller
from api.uploads import Received
from commands.known_work import KnownWork, find_work
from commands.request_transcription import request_transcription
from commands.transcribe_upload import transcribe_upload
from commands.turns import TooManyAtOnce
from domain.errors import FileNotFound, TranscriptionExists, TranscriptionWasDeleted
from domain.instructions import Instructions, require_able
from domain.log import Address
from domain.media_file import RecordUpload
from schemas.objects import media_key

TRIES_MAX: Final = 3
"""One more each time that somebody deletes what was just found."""


async def begin_or_find(
    request: AuthenticatedRequest,
    received: Received,
    instructions: Instructions,
    caller: Caller,
    parts: Parts,
) -> UUID:
    """The transcription, under way or done. Clients send again what they got no answer to: it is paid once."""
    key = await parts.person_keys.provide(caller.user_id)
    name = key.name(msgspec.json.encode((received.sha256, instructions)))
    for _ in range(TRIES_MAX):
        work = await find_work(parts.store, caller.user_id, name)
        if work.has_begun:
            return work.transcription_id
        require_able(instructions, await parts.abilities.answer())
        try:
            address = await _begin(work, received, instructions, caller, parts)
        except TranscriptionExists:
            return work.transcription_id  # of somebody who sent the same at the same time
        except (FileNotFound, TranscriptionWasDeleted):
            continue  # It was deleted meanwhile.
        await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
        return work.transcription_id
    raise TooManyAtOnce


async def _begin(
    work: KnownWork, received: Received, instructions: Instructions, caller: Caller, parts: Parts
) -> Address | None:
    """What failed or was cancelled before is in the store already."""
    if work.file.uploaded is not None:
        return await request_transcription(
            work.file_id,
            caller.user_id,
            parts.clock.now(),
            parts.store,
            caller.provenance,
            instructions=instructions,
            objects=parts.objects,
        )
    facts = await parts.probe(received.path, caller.user_id)
    return await transcribe_upload(
        _upload_of(work, received, facts.duration_seconds, caller, parts),
        received.path,
        parts.store,
        parts.objects,
        caller.provenance,
        instructions=instructions,
    )


def _upload_of(
    work: KnownWork, received: Received, duration_seconds: float, caller: Caller, parts: Parts
) -> RecordUpload:
    """Its object is its own, in the folder of the file: who sends the same meanwhile must not touch it."""
    return RecordUpload(
        file_id=work.file_id,
        user_id=caller.user_id,
        filename=received.filename,
        media_key=media_key(caller.user_id, work.file_id, received.sha256, uuid4()),
        media_sha256=received.sha256,
        size_bytes=received.size_bytes,
        duration_seconds=round(duration_seconds, 3),
        uploaded_at=parts.clock.now(),
    )
