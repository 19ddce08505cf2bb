"""Deletes a file in the log, whatever becomes of its transcription; the dispatcher removes its object."""

from commands.execution import execute
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, DeleteFile
from domain.ports import EventStore


async def delete_file(command: DeleteFile, store: EventStore, provenance: Provenance) -> Address | None:
    """None when it was deleted before. Raises FileNotFound or NotOwner."""

    def decide(streams: Streams) -> None:
        streams.decide(MEDIA_FILE, command.file_id, command)

    return await execute(store, command.user_id, [(MEDIA_FILE, command.file_id)], decide, provenance)
