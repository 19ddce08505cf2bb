"""What every handler does that makes a revision: its object first, then the event that names it, decided when it is its turn."""

from uuid import UUID

from msgspec import Struct

from commands.execution import execute, load
from commands.streams import Streams, Subject
from domain.log import Address, Provenance
from domain.ports import EventStore, ObjectStore
from domain.transcription import TRANSCRIPTION, Transcription, require_completed
from domain.transcription_commands import EditTranscript
from domain.user import USER, require_staying


class Revised(Struct, frozen=True, kw_only=True):
    """The revision that a command left, and its tag; without an `address` where it was the current one before."""

    address: Address | None
    revision: int
    tag: str


async def completed(store: EventStore, transcription_id: UUID, user_id: UUID) -> Transcription:
    """As it is now. Raises TranscriptionNotFound, NotOwner, TranscriptionNotCompleted or PersonErased."""
    require_staying((await load(store, USER, user_id, user_id)).state)
    transcription = await load(store, TRANSCRIPTION, transcription_id, None)  # It may be another's.
    require_completed(transcription.state, transcription_id, user_id)
    return transcription.state


async def revise(
    state: Transcription,
    command: EditTranscript,
    store: EventStore,
    objects: ObjectStore,
    provenance: Provenance,
    *,
    content: bytes | None = None,
) -> Revised:
    """`content` is that of the object, None where it is stored already.

    Raises RevisionChanged where another revision was expected than the one there is when it is the command's turn.
    """
    if not TRANSCRIPTION.decide(command, state):
        return _left(state, None)
    if content is not None:
        # An edit that loses a race leaves its object unnamed: better than to delete what another may name.
        await objects.put(command.transcript_key, content)
    left = state

    def decide(streams: Streams) -> None:
        nonlocal left
        require_staying(streams.state(USER, command.user_id))
        streams.decide(TRANSCRIPTION, command.transcription_id, command)
        left = streams.state(TRANSCRIPTION, command.transcription_id)

    about: list[Subject] = [(USER, command.user_id), (TRANSCRIPTION, command.transcription_id)]
    address = await execute(store, command.user_id, about, decide, provenance)
    return _left(left, address)


def _left(state: Transcription, address: Address | None) -> Revised:
    return Revised(address=address, revision=state.revision, tag=state.tag)
