"""Asks for a user to be erased: the event and the mark on their credentials, both or neither."""

from commands.execution import load
from domain.log import Address, Provenance, VersionConflict
from domain.ports import Credentials, EventStore
from domain.user import USER, RequestErasure


async def request_erasure(
    command: RequestErasure, credentials: Credentials, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when it was asked for before."""
    user = await load(store, USER, command.user_id, command.user_id)
    append = user.decide(command, command.user_id)
    if not append.events:
        return None
    try:
        return await credentials.request_erasure(command.user_id, append, provenance)
    except VersionConflict:
        # Somebody else was first, and then there is nothing left to decide.
        return await request_erasure(command, credentials, store, provenance)
