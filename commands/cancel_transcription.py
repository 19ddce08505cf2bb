"""Cancels a transcription and releases its minutes, both or neither."""

from commands.execution import append, load, retried_on_conflict
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, ReleaseQuota
from domain.transcription import TRANSCRIPTION, CancelTranscription


@retried_on_conflict
async def cancel_transcription(
    command: CancelTranscription, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when it was cancelled before. Raises TranscriptionNotFound, NotOwner or TranscriptionNotCancellable."""
    transcription = await load(store, TRANSCRIPTION, command.transcription_id)
    cancelled = transcription.decide(command, command.user_id)
    release = ReleaseQuota(
        user_id=command.user_id,
        transcription_id=command.transcription_id,
        released_at=command.cancelled_at,
    )
    quota = await load(store, QUOTA, command.user_id)
    return await append(store, provenance, cancelled, quota.decide(release, command.user_id))
