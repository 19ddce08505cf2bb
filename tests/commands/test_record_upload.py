"""Recording an upload: no event without its object, and no object that no event can name any more."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from commands.record_upload import record_upload
from domain.log import Address, Decision, StreamHead, StreamTail
from domain.media_file import MEDIA_FILE, RecordUpload
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import media_key
from tests.builders import ANNA, FILE, NOON, identity
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import types_of

KEY = media_key(ANNA, FILE, "ab" * 32)
SECOND = identity("second")


class LogOutOfReach(Exception):
    pass


class SilentLog(InMemoryEventStore):
    """Answers no append, and makes it when the test says so: after the caller gave up."""

    def __init__(self) -> None:
        super().__init__(partition_count=4)
        self._unanswered: list[Sequence[Decision]] = []

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        self._unanswered.append(decisions)
        raise LogOutOfReach

    async def make_late_appends(self) -> None:
        for decisions in self._unanswered:
            await super().append_chain(decisions)


class UnreadableLog(InMemoryEventStore):
    async def read_streams(
        self,
        heads: Mapping[str, StreamHead],
        events_max: int,  # noqa: ARG002  # it reads none
        owner_id: UUID | None = None,  # noqa: ARG002
    ) -> Mapping[str, StreamTail]:
        raise LogOutOfReach(heads)


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
        media_key=media_key(ANNA, file_id, "ab" * 32),
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


async def test_the_same_recording_twice_is_two_files_and_two_objects(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path
) -> None:
    await record_upload(upload(), recording, store, objects, PROVENANCE)
    await record_upload(upload(SECOND), recording, store, objects, PROVENANCE)
    await objects.delete(upload(SECOND).media_key)
    assert len(list(store)) == 2
    assert await objects.get(KEY) == b"sound"


async def test_an_upload_that_fails_before_it_can_be_recorded_leaves_no_object(
    objects: FolderObjectStore, recording: Path
) -> None:
    with pytest.raises(LogOutOfReach):
        await record_upload(upload(), recording, UnreadableLog(4), objects, PROVENANCE)
    assert not await objects.exists(KEY)


async def test_an_upload_that_is_recorded_after_its_caller_gave_up_has_its_object(
    objects: FolderObjectStore, recording: Path
) -> None:
    log = SilentLog()
    with pytest.raises(LogOutOfReach):
        await record_upload(upload(), recording, log, objects, PROVENANCE)
    await log.make_late_appends()
    assert types_of(await log.read_stream(MEDIA_FILE.stream_id(FILE))) == ["FileUploaded"]
    assert await objects.get(KEY) == b"sound"


async def test_a_failed_upload_leaves_that_of_the_same_recording_alone(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path
) -> None:
    await record_upload(upload(), recording, store, objects, PROVENANCE)
    with pytest.raises(LogOutOfReach):
        await record_upload(upload(SECOND), recording, UnreadableLog(4), objects, PROVENANCE)
    assert await objects.get(KEY) == b"sound"
