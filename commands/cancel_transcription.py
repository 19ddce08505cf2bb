"""Cancels a transcription and releases its minutes, both or neither."""

from commands.execution import execute
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, ReleaseQuota
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import CancelTranscription
from domain.user import USER, require_staying


async def cancel_transcription(
    command: CancelTranscription, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when it was cancelled before.

    Raises TranscriptionNotFound, NotOwner, TranscriptionNotCancellable or PersonErased.
    """
    release = ReleaseQuota(
        user_id=command.user_id,
        transcription_id=command.transcription_id,
        released_at=command.cancelled_at,
    )

    def decide(streams: Streams) -> None:
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
