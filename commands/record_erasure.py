"""Records that a user is erased: the last event about them."""

from commands.execution import execute
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.user import USER, RecordErasure


async def record_erasure(
    command: RecordErasure, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when it was recorded before. Raises ErasureNotRequested."""

    def decide(streams: Streams) -> None:
        streams.answer(USER, command.user_id)
        streams.decide(USER, command.user_id, command)

    return await execute(store, command.user_id, [(USER, command.user_id)], decide, provenance)
