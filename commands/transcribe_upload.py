"""Records an upload and requests its transcription, both or neither: first the object, then the events."""

from pathlib import Path

from commands.objects_first import put_before_event
from commands.request_transcription import request_transcription
from commands.streams import Streams
from domain.instructions import Instructions
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, RecordUpload
from domain.ports import EventStore, ObjectStore


async def transcribe_upload(
    command: RecordUpload,
    path: Path,
    store: EventStore,
    objects: ObjectStore,
    provenance: Provenance,
    *,
    instructions: Instructions,
) -> Address | None:
    """`path` holds the bytes; no other upload may have the same media_key.

    Where others were first with this file, theirs is transcribed and this object is deleted. Raises what
    request_transcription does, and then nothing is left.
    """
    async with put_before_event(objects, command.media_key) as named:

        def record(streams: Streams) -> None:
            named.undecided()
            streams.decide(MEDIA_FILE, command.file_id, command)

        def tell(streams: Streams) -> None:
            file = streams.state(MEDIA_FILE, command.file_id).uploaded
            if file is not None and file.media_key == command.media_key:
                named.appended()
            else:
                named.superseded()

        await objects.put_file(command.media_key, path)
        return await request_transcription(
            command.file_id,
            command.user_id,
            command.uploaded_at,
            store,
            provenance,
            instructions=instructions,
            objects=objects,
            first=record,
            last=tell,
        )
