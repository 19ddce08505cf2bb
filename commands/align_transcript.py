"""Has typed words looked for in the sound by a worker, and takes what it found: for people who stay, and for the current revision alone."""

from uuid import UUID

from commands.execution import execute, load
from commands.streams import Streams, Subject
from domain.aligning import AlignmentCommand, CompleteAlignment, StartAlignment
from domain.errors import TranscriptionNotFound
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.transcription import TRANSCRIPTION
from domain.user import USER, require_staying


async def start_alignment(
    command: StartAlignment, store: EventStore, provenance: Provenance
) -> Address | None:
    """Raises StaleAlignment, TranscriptionNotFound or PersonErased."""
    return await _decide(command, store, provenance)


async def complete_alignment(
    command: CompleteAlignment, store: EventStore, provenance: Provenance
) -> Address | None:
    """The transcript is stored already. Raises as above, or TranscriptMisplaced."""
    return await _decide(command, store, provenance)


async def _decide(command: AlignmentCommand, store: EventStore, provenance: Provenance) -> Address | None:
    owner_id = await _owner_of(store, command.transcription_id)

    def decide(streams: Streams) -> None:
        require_staying(streams.state(USER, owner_id))
        streams.decide(TRANSCRIPTION, command.transcription_id, command)

    about: list[Subject] = [(USER, owner_id), (TRANSCRIPTION, command.transcription_id)]
    return await execute(store, owner_id, about, decide, provenance)


async def _owner_of(store: EventStore, transcription_id: UUID) -> UUID:
    user_id = (await load(store, TRANSCRIPTION, transcription_id, None)).state.user_id
    if user_id is None:
        raise TranscriptionNotFound(transcription_id)
    return user_id
