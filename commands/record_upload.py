"""Records an upload: first the object with the bytes, then the event that names it."""

from pathlib import Path

from commands.execution import execute
from commands.objects_first import put_before_event
from commands.streams import Streams, Subject
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, RecordUpload
from domain.ports import EventStore, ObjectStore
from domain.user import USER, require_staying


async def record_upload(
    command: RecordUpload,
    path: Path,
    store: EventStore,
    objects: ObjectStore,
    provenance: Provenance,
) -> Address | None:
    """`path` holds the bytes; the object is this upload's alone."""
    async with put_before_event(objects, command.media_key) as named:

        def decide(streams: Streams) -> None:
            require_staying(streams.state(USER, command.user_id))
            streams.decide(MEDIA_FILE, command.file_id, command)
            named.appended()

        await objects.put_file(command.media_key, path)
        about: list[Subject] = [(USER, command.user_id), (MEDIA_FILE, command.file_id)]
        return await execute(store, command.user_id, about, decide, provenance)
