"""Records an upload: first the object with the bytes, then the event that names it."""

import asyncio
import logging
from pathlib import Path

from commands.execution import append, load
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
    try:
        await objects.put_file(command.media_key, path)
        file = await load(store, MEDIA_FILE, command.file_id)
    except BaseException:
        await asyncio.shield(_remove(command.media_key, objects))
        raise
    return await append(store, provenance, file.decide(command, command.user_id))


async def _remove(key: str, objects: ObjectStore) -> None:
    try:
        await objects.delete(key)
    except ObjectStoreUnavailable as problem:
        _LOGGER.warning("the object of an upload that failed stays: %s", problem)
