"""Completes a transcription and debits its minutes, both or neither."""

from commands.execution import append, load, owner_of, retried_on_conflict
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, DebitQuota
from domain.transcription import TRANSCRIPTION, CompleteTranscription


@retried_on_conflict
async def complete_transcription(
    command: CompleteTranscription, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when this attempt completed it before. Raises StaleAttempt when another attempt is the current one."""
    transcription = await load(store, TRANSCRIPTION, command.transcription_id)
    owner_id = owner_of(transcription.state, command.attempt)
    completed = transcription.decide(command, owner_id)
    if not completed.events:
        return None
    debit = DebitQuota(
        user_id=owner_id,
        transcription_id=command.transcription_id,
        debited_at=command.completed_at,
    )
    quota = await load(store, QUOTA, owner_id)
    return await append(store, provenance, completed, quota.decide(debit, owner_id))
