"""Completes a transcription and debits the minutes of what could be decoded, both or neither."""

from commands.execution import execute, owner_of
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, DebitQuota, minutes_for
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import CompleteTranscription


async def complete_transcription(
    command: CompleteTranscription, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when this attempt completed it before. Raises StaleAttempt when another attempt is the current one."""
    seconds = command.result.duration_seconds
    owner_id = await owner_of(store, command.transcription_id, command.attempt)
    debit = DebitQuota(
        user_id=owner_id,
        transcription_id=command.transcription_id,
        minutes=None if seconds is None else minutes_for(seconds),
        debited_at=command.completed_at,
    )

    def decide(streams: Streams) -> None:
        streams.answer(TRANSCRIPTION, command.transcription_id)
        if streams.decide(TRANSCRIPTION, command.transcription_id, command):
            streams.decide(QUOTA, owner_id, debit)

    return await execute(
        store, owner_id, [(TRANSCRIPTION, command.transcription_id), (QUOTA, owner_id)], decide, provenance
    )
