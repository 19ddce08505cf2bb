"""Ends an attempt that failed; after the last one the transcription has failed and its minutes are released."""

from commands.execution import execute, owner_of
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, ReleaseQuota
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import FailAttempt
from domain.transcription_events import TranscriptionFailed


async def fail_attempt(command: FailAttempt, store: EventStore, provenance: Provenance) -> Address | None:
    """None when this attempt failed before. Raises StaleAttempt when it is not the current one."""
    owner_id = await owner_of(store, command.transcription_id, command.attempt)
    release = ReleaseQuota(
        user_id=owner_id,
        transcription_id=command.transcription_id,
        released_at=command.failed_at,
    )

    def decide(streams: Streams) -> None:
        streams.answer(TRANSCRIPTION, command.transcription_id)
        events = streams.decide(TRANSCRIPTION, command.transcription_id, command)
        if any(isinstance(event, TranscriptionFailed) for event in events):
            streams.decide(QUOTA, owner_id, release)

    return await execute(
        store, owner_id, [(TRANSCRIPTION, command.transcription_id), (QUOTA, owner_id)], decide, provenance
    )
