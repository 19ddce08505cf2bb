"""Ends an attempt that failed; after the last one the transcription has failed and its minutes are released."""

from collections.abc import Sequence

from commands.execution import append, load, owner_of, retried_on_conflict
from domain.events import Event
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.quota import QUOTA, ReleaseQuota
from domain.transcription import TRANSCRIPTION, FailAttempt, TranscriptionFailed


@retried_on_conflict
async def fail_attempt(command: FailAttempt, store: EventStore, provenance: Provenance) -> Address | None:
    """None when this attempt failed before. Raises StaleAttempt when it is not the current one."""
    transcription = await load(store, TRANSCRIPTION, command.transcription_id)
    owner_id = owner_of(transcription.state, command.attempt)
    failed = transcription.decide(command, owner_id)
    if not _is_final(failed.events):
        return await append(store, provenance, failed)
    release = ReleaseQuota(
        user_id=owner_id,
        transcription_id=command.transcription_id,
        released_at=command.failed_at,
    )
    quota = await load(store, QUOTA, owner_id)
    return await append(store, provenance, failed, quota.decide(release, owner_id))


def _is_final(events: Sequence[Event]) -> bool:
    return any(isinstance(event, TranscriptionFailed) for event in events)
