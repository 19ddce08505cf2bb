"""Deletes a transcription, and where it is to be cancelled with that releases its minutes, all or none."""

from commands.execution import execute
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, ReleaseQuota
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import DeleteTranscription
from domain.user import USER, require_staying


async def delete_transcription(
    command: DeleteTranscription, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when it was deleted before; the dispatcher removes its objects.

    Raises TranscriptionNotFound, NotOwner, TranscriptionNotDeletable, or PersonErased unless it `cancels`.
    """
    release = ReleaseQuota(
        user_id=command.user_id,
        transcription_id=command.transcription_id,
        released_at=command.deleted_at,
    )

    def decide(streams: Streams) -> None:
        if not command.cancels:  # What does is also how whoever leaves is erased.
            require_staying(streams.state(USER, command.user_id))
        streams.decide(TRANSCRIPTION, command.transcription_id, command)
        streams.decide(QUOTA, command.user_id, release)

    return await execute(
        store,
        command.user_id,
        [(USER, command.user_id), (TRANSCRIPTION, command.transcription_id), (QUOTA, command.user_id)],
        decide,
        provenance,
    )
