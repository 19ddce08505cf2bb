"""Assigns the next attempt of a queued transcription to a worker; the event is the assignment."""

from datetime import datetime
from uuid import UUID

from commands.execution import execute, owner_of
from commands.streams import Streams
from domain.log import Provenance
from domain.ports import EventStore
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import StartTranscription


async def start_transcription(
    transcription_id: UUID,
    worker_id: UUID,
    started_at: datetime,
    store: EventStore,
    provenance: Provenance,
) -> int:
    """Returns the attempt's number. Raises StaleAttempt when the transcription is not queued (any more)."""
    owner_id = await owner_of(store, transcription_id, attempt=1)
    attempt = 0

    def decide(streams: Streams) -> None:
        nonlocal attempt
        streams.answer(TRANSCRIPTION, transcription_id)
        attempt = streams.state(TRANSCRIPTION, transcription_id).attempt + 1
        command = StartTranscription(
            transcription_id=transcription_id, attempt=attempt, worker_id=worker_id, started_at=started_at
        )
        streams.decide(TRANSCRIPTION, transcription_id, command)

    await execute(store, owner_id, [(TRANSCRIPTION, transcription_id)], decide, provenance)
    return attempt
