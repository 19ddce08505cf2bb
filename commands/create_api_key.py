"""Creates an API key, of which the log learns no more than the digest."""

from commands.execution import execute
from commands.streams import Streams, Subject
from domain.api_keys import API_KEYS, CreateApiKey
from domain.log import Address, Provenance
from domain.ports import EventStore
from domain.user import USER, require_staying


async def create_api_key(
    command: CreateApiKey, store: EventStore, provenance: Provenance
) -> Address | None:
    """None when it was created before. Raises TooManyApiKeys or PersonErased."""

    def decide(streams: Streams) -> None:
        require_staying(streams.state(USER, command.user_id))
        streams.decide(API_KEYS, command.user_id, command)

    about: list[Subject] = [(USER, command.user_id), (API_KEYS, command.user_id)]
    return await execute(store, command.user_id, about, decide, provenance)
