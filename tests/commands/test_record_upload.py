"""Recording an upload: no event without its object, no object without an event."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from commands.record_upload import record_upload
from domain.events import Event
from domain.log import Address, Provenance, StreamAppend
from domain.media_file import MEDIA_FILE, RecordUpload
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from tests.builders import ANNA, FILE, NOON, identity
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import types_of

KEY = f"media/{ANNA}/{'ab' * 32}"


class LogOutOfReach(Exception):
    pass


class BrokenLog(InMemoryEventStore):
    """Fails every append: before it was made, after it was made, or so that nothing can be read either."""

    def __init__(self, *, made: bool = False, readable: bool = True) -> None:
        super().__init__(partition_count=4)
        self._made = made
        self._readable = readable
        self._broken = False

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        if self._made:
            await super().append(appends, provenance)
        self._broken = True
        raise LogOutOfReach

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        if self._broken and not self._readable:
            raise LogOutOfReach
        return await super().read_stream(stream_id)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording"
    path.write_bytes(b"sound")
    return path


def upload(file_id: UUID = FILE) -> RecordUpload:
    return RecordUpload(
        file_id=file_id,
        user_id=ANNA,
        filename="talk.mp3",
        media_key=KEY,
        media_sha256="ab" * 32,
        size_bytes=5,
        duration_seconds=1.0,
        uploaded_at=NOON,
    )


async def test_an_upload_is_an_object_and_an_event(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path
) -> None:
    await record_upload(upload(), recording, store, objects, PROVENANCE)
    assert await objects.get(KEY) == b"sound"
    assert types_of(await store.read_stream(MEDIA_FILE.stream_id(FILE))) == ["FileUploaded"]


async def test_the_same_recording_twice_is_two_files_and_one_object(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path
) -> None:
    await record_upload(upload(), recording, store, objects, PROVENANCE)
    await record_upload(upload(identity("second")), recording, store, objects, PROVENANCE)
    assert len(list(store)) == 2
    assert await objects.exists(KEY)


async def test_an_upload_that_cannot_be_recorded_leaves_no_object(
    objects: FolderObjectStore, recording: Path
) -> None:
    with pytest.raises(LogOutOfReach):
        await record_upload(upload(), recording, BrokenLog(), objects, PROVENANCE)
    assert not await objects.exists(KEY)


async def test_a_failed_upload_leaves_the_object_of_an_earlier_file(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path
) -> None:
    await record_upload(upload(), recording, store, objects, PROVENANCE)
    with pytest.raises(LogOutOfReach):
        await record_upload(upload(identity("second")), recording, BrokenLog(), objects, PROVENANCE)
    assert await objects.exists(KEY)


async def test_an_upload_that_was_recorded_although_the_answer_was_lost_keeps_its_object(
    objects: FolderObjectStore, recording: Path
) -> None:
    with pytest.raises(LogOutOfReach):
        await record_upload(upload(), recording, BrokenLog(made=True), objects, PROVENANCE)
    assert await objects.exists(KEY)


async def test_an_object_is_kept_while_the_log_cannot_say_if_it_is_recorded(
    objects: FolderObjectStore, recording: Path
) -> None:
    with pytest.raises(LogOutOfReach):
        await record_upload(upload(), recording, BrokenLog(readable=False), objects, PROVENANCE)
    assert await objects.exists(KEY)


async def test_an_object_that_a_failing_twin_took_away_is_put_back(
    objects: FolderObjectStore, recording: Path
) -> None:
    class Twin(InMemoryEventStore):
        async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
            await objects.delete(KEY)
            return await super().append(appends, provenance)

    await record_upload(upload(), recording, Twin(4), objects, PROVENANCE)
    assert await objects.exists(KEY)
