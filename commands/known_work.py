"""Work that was asked for before: the same recording with the same instructions, found by the id that its file has."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4, uuid5

from msgspec import Struct

from commands.execution import desk_of
from domain.media_file import MEDIA_FILE, MediaFile
from domain.ports import EventStore
from domain.transcription import ACTIVE, TRANSCRIPTION, Status, Transcription, transcription_id_of

AT_ONCE: Final = 4
"""Generations looked at in one round trip; hardly anybody deletes the same recording more often."""
GENERATIONS_MAX: Final = 400
"""Who has deleted the same recording as often has it transcribed anew each time."""


class KnownWork(Struct, frozen=True, kw_only=True):
    """What there is of a file and its transcription, perhaps nothing yet."""

    file_id: UUID
    file: MediaFile
    transcription: Transcription

    @property
    def transcription_id(self) -> UUID:
        return transcription_id_of(self.file_id)

    @property
    def has_begun(self) -> bool:
        """Under way or done, so that there is nothing to ask for. What failed or was cancelled is asked for again."""
        return self.transcription.status in ACTIVE or self.transcription.status is Status.COMPLETED

    @property
    def is_gone(self) -> bool:
        """Deleted, so that nothing can become of it any more."""
        is_deleted = self.transcription.status is Status.DELETED
        return is_deleted or (self.file.deleted and not self.has_begun)


def file_id_of(user_id: UUID, digest: str, generation: int) -> UUID:
    """The same for everybody who asks for the same: so they meet in one stream, and one of them is first."""
    return uuid5(user_id, f"work/{digest}/{generation}")


async def find_work(store: EventStore, user_id: UUID, digest: str) -> KnownWork:
    """Of this user, by what names recording and instructions together. A new generation follows what was deleted."""
    for first in range(0, GENERATIONS_MAX, AT_ONCE):
        file_ids = [file_id_of(user_id, digest, generation) for generation in range(first, first + AT_ONCE)]
        for work in await _read(store, user_id, file_ids):
            if not work.is_gone:
                return work
    return KnownWork(file_id=uuid4(), file=MEDIA_FILE.initial, transcription=TRANSCRIPTION.initial)


async def _read(store: EventStore, user_id: UUID, file_ids: Sequence[UUID]) -> Sequence[KnownWork]:
    subjects = [
        subject
        for file_id in file_ids
        for subject in ((MEDIA_FILE, file_id), (TRANSCRIPTION, transcription_id_of(file_id)))
    ]
    known = await desk_of(store).states.read(store, subjects, user_id)
    return [
        KnownWork(
            file_id=file_id,
            file=known[MEDIA_FILE.stream_id(file_id)].state,
            transcription=known[TRANSCRIPTION.stream_id(transcription_id_of(file_id))].state,
        )
        for file_id in file_ids
    ]
