"""Assigns the next attempt of a queued transcription to a worker; the event is the assignment."""

from datetime import datetime
from uuid import UUID

from commands.execution import append, load, owner_of, retried_on_conflict
from domain.log import Provenance
from domain.ports import EventStore
from domain.transcription import TRANSCRIPTION, StartTranscription


@retried_on_conflict
async def start_transcription(
    transcription_id: UUID,
    worker_id: UUID,
    started_at: datetime,
    store: EventStore,
    provenance: Provenance,
) -> int:
    """Returns the attempt's number. Raises StaleAttempt when the transcription is not queued (any more)."""
    transcription = await load(store, TRANSCRIPTION, transcription_id)
    attempt = transcription.state.attempt + 1
    command = StartTranscription(
        transcription_id=transcription_id, attempt=attempt, worker_id=worker_id, started_at=started_at
    )
    owner_id = owner_of(transcription.state, attempt)
    await append(store, provenance, transcription.decide(command, owner_id))
    return attempt
