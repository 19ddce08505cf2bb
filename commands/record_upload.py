"""Records an upload: first the object with the bytes, then the event that names it."""

import asyncio
import logging
from pathlib import Path

from commands.execution import append, load
from domain.log import Address, Provenance
from domain.media_file import MEDIA_FILE, RecordUpload
from domain.ports import EventStore, ObjectStore

_LOGGER = logging.getLogger(__name__)


async def record_upload(
    command: RecordUpload,
    path: Path,
    store: EventStore,
    objects: ObjectStore,
    provenance: Provenance,
) -> Address | None:
    """`path` holds the bytes; when the event cannot be appended, no object stays that was not there before."""
    known = await objects.exists(command.media_key)
    try:
        if not known:
            await objects.put_file(command.media_key, path)
        file = await load(store, MEDIA_FILE, command.file_id)
        address = await append(store, provenance, file.decide(command, command.user_id))
    except BaseException:
        if not known:
            await asyncio.shield(_remove_unrecorded(command, store, objects))
        raise
    await _restore_removed(command, path, objects)
    return address


async def _remove_unrecorded(command: RecordUpload, store: EventStore, objects: ObjectStore) -> None:
    """An append may fail and yet have been made (the answer was lost), so only the log can say."""
    try:
        recorded = (await load(store, MEDIA_FILE, command.file_id)).state.uploaded is not None
    except Exception:  # noqa: BLE001  # whatever hides the log: a spare object is better than a lost one
        recorded = True
        _LOGGER.warning("kept the object of file %s: the log cannot say if it is recorded", command.file_id)
    if not recorded:
        await objects.delete(command.media_key)


async def _restore_removed(command: RecordUpload, path: Path, objects: ObjectStore) -> None:
    """The same recording may be uploaded twice at once, and the other upload fail and take the object away."""
    if not await objects.exists(command.media_key):
        await objects.put_file(command.media_key, path)
