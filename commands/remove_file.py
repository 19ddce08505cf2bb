"""Deletes a file for its owner, and on request its transcription, both or neither; the dispatcher removes their objects."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from commands.execution import execute
from commands.streams import Streams, Subject
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, DeleteFile
from domain.ports import EventStore
from domain.transcription import TRANSCRIPTION, Status, require_ended, transcription_id_of
from domain.transcription_commands import DeleteTranscription
from domain.user import USER, require_staying

Fate: TypeAlias = Literal["keep", "delete"]


class RemoveFile(Struct, frozen=True, kw_only=True):
    """What its owner wants: `transcript` says what becomes of the transcription."""

    file_id: UUID
    user_id: UUID
    transcript: Fate
    removed_at: datetime


async def remove_file(wish: RemoveFile, store: EventStore, provenance: Provenance) -> Address | None:
    """None when all of it was deleted before.

    Raises FileNotFound, NotOwner, TranscriptionNotDeletable or PersonErased.
    """
    transcription_id = transcription_id_of(wish.file_id)
    file = DeleteFile(file_id=wish.file_id, user_id=wish.user_id, deleted_at=wish.removed_at)
    transcription = DeleteTranscription(
        transcription_id=transcription_id, user_id=wish.user_id, deleted_at=wish.removed_at
    )

    def decide(streams: Streams) -> None:
        require_staying(streams.state(USER, wish.user_id))
        streams.decide(MEDIA_FILE, wish.file_id, file)
        state = streams.state(TRANSCRIPTION, transcription_id)
        require_ended(state, transcription_id)
        if wish.transcript == "delete" and state.status is not Status.ABSENT:
            streams.decide(TRANSCRIPTION, transcription_id, transcription)

    about: list[Subject] = [
        (USER, wish.user_id),
        (MEDIA_FILE, wish.file_id),
        (TRANSCRIPTION, transcription_id),
    ]
    return await execute(store, wish.user_id, about, decide, provenance)
