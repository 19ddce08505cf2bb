"""Brings back the words of an earlier revision, as a revision of its own: nothing between them is lost."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from commands.revising import Revised, completed, revise
from domain.errors import TranscriptMissing
from domain.log import Provenance
from domain.ports import EventStore, ObjectStore
from domain.revisions import Revision
from domain.transcription_commands import EditTranscript


class RestoreRevision(Struct, frozen=True, kw_only=True):
    """`revision` is as the log has it; `expected` are the tags of the revisions it may follow, None for any."""

    transcription_id: UUID
    user_id: UUID
    revision: Revision
    restored_at: datetime
    expected: frozenset[str] | None = None


async def restore_revision(
    restoring: RestoreRevision, store: EventStore, objects: ObjectStore, provenance: Provenance
) -> Revised:
    """Raises TranscriptMissing where its object is lost, or as `completed` and `revise`."""
    state = await completed(store, restoring.transcription_id, restoring.user_id)
    revision = restoring.revision
    if not await objects.exists(revision.transcript_key):
        raise TranscriptMissing
    command = EditTranscript(
        transcription_id=restoring.transcription_id,
        user_id=restoring.user_id,
        transcript_key=revision.transcript_key,
        transcript_sha256=revision.transcript_sha256,
        word_count=revision.word_count,
        edited_at=restoring.restored_at,
        expected=restoring.expected,
        restored_revision=revision.number,
        estimated_count=revision.estimated_count,
    )
    return await revise(state, command, store, objects, provenance)
