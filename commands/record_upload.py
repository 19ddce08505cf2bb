"""Records an upload: first the object with the bytes, then the event that names it."""

import asyncio
import logging
from pathlib import Path

from commands.execution import execute
from commands.streams import Streams
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, RecordUpload
from domain.ports import EventStore, ObjectStore, ObjectStoreUnavailable

_LOGGER = logging.getLogger(__name__)


async def record_upload(
    command: RecordUpload,
    path: Path,
    store: EventStore,
    objects: ObjectStore,
    provenance: Provenance,
) -> Address | None:
    """`path` holds the bytes; the object is this upload's alone.

    Once the event is on its way it may be stored without an answer, or after its caller gave up: then the object
    stays, unnamed at worst. When something fails before that, nothing stays.
    """
    is_on_its_way = False

    def decide(streams: Streams) -> None:
        nonlocal is_on_its_way
        streams.decide(MEDIA_FILE, command.file_id, command)
        is_on_its_way = True

    try:
        await objects.put_file(command.media_key, path)
        return await execute(store, command.user_id, [(MEDIA_FILE, command.file_id)], decide, provenance)
    except BaseException:
        if not is_on_its_way:
            await asyncio.shield(_remove(command.media_key, objects))
        raise


async def _remove(key: str, objects: ObjectStore) -> None:
    try:
        await objects.delete(key)
    except ObjectStoreUnavailable as problem:
        _LOGGER.warning("the object of an upload that failed stays: %s", problem)
