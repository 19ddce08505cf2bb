"""Deletes a transcription; one that has not ended is cancelled, and its minutes are released, all or none."""

from commands.execution import execute
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, ReleaseQuota
from domain.transcription import TRANSCRIPTION, DeleteTranscription


async def delete_transcription(
    command: DeleteTranscription, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when it was deleted before. Its objects stay. Raises TranscriptionNotFound or NotOwner."""
    release = ReleaseQuota(
        user_id=command.user_id,
        transcription_id=command.transcription_id,
        released_at=command.deleted_at,
    )

    def decide(streams: Streams) -> None:
        streams.decide(TRANSCRIPTION, command.transcription_id, command)
        streams.decide(QUOTA, command.user_id, release)

    return await execute(
        store,
        command.user_id,
        [(TRANSCRIPTION, command.transcription_id), (QUOTA, command.user_id)],
        decide,
        provenance,
    )
