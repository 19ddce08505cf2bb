"""Revokes every API key of somebody who leaves."""

from commands.execution import execute
from commands.streams import Streams
from domain.api_keys import API_KEYS, RevokeAllApiKeys
from domain.log import Address, Provenance
from domain.ports import EventStore


async def revoke_all_api_keys(
    command: RevokeAllApiKeys, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when there are none."""

    def decide(streams: Streams) -> None:
        streams.decide(API_KEYS, command.user_id, command)

    return await execute(store, command.user_id, [(API_KEYS, command.user_id)], decide, provenance)
