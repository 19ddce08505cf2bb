"""An upload with its transcription in one decision: both or neither, and once however many send the same."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from commands.known_work import AT_ONCE, file_id_of, find_work
from commands.transcribe_upload import transcribe_upload
from domain.errors import FileNotFound, QuotaExceeded, TranscriptionExists
from domain.events import Event
from domain.instructions import Instructions
from domain.log import Address, Decision
from domain.media_file import MEDIA_FILE, RecordUpload
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION, Status, transcription_id_of
from domain.transcription_events import TranscriptionRequested
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import media_key
from tests.builders import (
    ANNA,
    BERT,
    NOON,
    cancelled,
    completed,
    deleted,
    failed,
    file_deleted,
    granted,
    released,
    requested,
    started,
    uploaded,
)
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import happened, quota_of, types_of

NAME = "c0" * 32
FILE = file_id_of(ANNA, NAME, 0)
WORK = transcription_id_of(FILE)
PLAIN = Instructions()
CALLERS = 100


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording"
    path.write_bytes(b"sound")
    return path


@pytest.fixture
async def store() -> InMemoryEventStore:
    store = InMemoryEventStore(partition_count=4)
    await happened(store, QUOTA.stream_id(ANNA), granted(60))
    return store


def upload(file_id: UUID = FILE) -> RecordUpload:
    """As each request makes it, with an object of its own."""
    return RecordUpload(
        file_id=file_id,
        user_id=ANNA,
        filename="talk.mp3",
        media_key=media_key(ANNA, file_id, "ab" * 32, uuid4()),
        media_sha256="ab" * 32,
        size_bytes=5,
        duration_seconds=90.0,
        uploaded_at=NOON,
    )


async def sent(store: InMemoryEventStore, file_id: UUID, *then: Event) -> None:
    """What a request leaves, and what happened after."""
    transcription_id = transcription_id_of(file_id)
    await happened(store, MEDIA_FILE.stream_id(file_id), uploaded(file_id=file_id))
    events = [requested(transcription_id=transcription_id), *then]
    await happened(store, TRANSCRIPTION.stream_id(transcription_id), *events)


def objects_in(folder: Path) -> list[str]:
    """By their keys."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_it_is_recorded_and_requested_in_one_go(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path
) -> None:
    command = upload()
    await transcribe_upload(command, recording, store, objects, PROVENANCE, instructions=PLAIN)
    assert types_of(await store.read_stream(MEDIA_FILE.stream_id(FILE))) == ["FileUploaded"]
    [event] = await store.read_stream(TRANSCRIPTION.stream_id(WORK))
    assert isinstance(event, TranscriptionRequested)
    assert event.job.media_key == command.media_key
    assert await objects.get(command.media_key) == b"sound"
    assert await quota_of(store) == (58, 2, 0)


async def test_what_the_quota_does_not_allow_leaves_nothing(
    objects: FolderObjectStore, recording: Path, tmp_path: Path
) -> None:
    store = InMemoryEventStore(partition_count=4)
    await happened(store, QUOTA.stream_id(ANNA), granted(1))
    told = Instructions(prompt="Minutes of the board.")
    with pytest.raises(QuotaExceeded):
        await transcribe_upload(upload(), recording, store, objects, PROVENANCE, instructions=told)
    assert await store.read_stream(MEDIA_FILE.stream_id(FILE)) == []
    assert objects_in(tmp_path / "objects") == []
    assert await quota_of(store) == (1, 0, 0)


async def test_a_hundred_who_send_the_same_are_one_transcription_that_is_paid_once(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path, tmp_path: Path
) -> None:
    told = Instructions(prompt="Minutes of the board.")

    async def send() -> object:
        return await transcribe_upload(upload(), recording, store, objects, PROVENANCE, instructions=told)

    answers = await asyncio.gather(*(send() for _ in range(CALLERS)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, TranscriptionExists)]
    assert len(refused) == CALLERS - 1
    assert {each.transcription_id for each in refused} == {WORK}
    assert await quota_of(store) == (58, 2, 0)
    work = await find_work(store, ANNA, NAME)
    assert work.file.uploaded is not None
    assert work.transcription.job is not None
    kept = [work.file.uploaded.media_key, work.transcription.job.instructions_key]
    assert objects_in(tmp_path / "objects") == sorted(str(each) for each in kept)


class RivalFirst(InMemoryEventStore):
    """Another process has sent the same in the moment between a decision and its append."""

    def __init__(self) -> None:
        super().__init__(partition_count=4)
        self.rival_is_due = False

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        if self.rival_is_due:
            self.rival_is_due = False
            await sent(self, FILE)
        return await super().append_chain(decisions)


async def test_who_is_second_after_another_process_leaves_no_object(
    objects: FolderObjectStore, recording: Path, tmp_path: Path
) -> None:
    store = RivalFirst()
    await happened(store, QUOTA.stream_id(ANNA), granted(60))
    store.rival_is_due = True
    told = Instructions(prompt="Minutes of the board.")
    with pytest.raises(TranscriptionExists):
        await transcribe_upload(upload(), recording, store, objects, PROVENANCE, instructions=told)
    assert objects_in(tmp_path / "objects") == []


async def test_what_failed_is_transcribed_from_the_object_it_had(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path
) -> None:
    first, second = upload(), upload()
    await transcribe_upload(first, recording, store, objects, PROVENANCE, instructions=PLAIN)
    stream = TRANSCRIPTION.stream_id(WORK)
    await happened(store, stream, started(transcription_id=WORK), failed())
    await happened(store, QUOTA.stream_id(ANNA), released(2, transcription_id=WORK))
    await transcribe_upload(second, recording, store, objects, PROVENANCE, instructions=PLAIN)
    event = (await store.read_stream(stream))[-1]
    assert isinstance(event, TranscriptionRequested)
    assert event.job.media_key == first.media_key
    assert await objects.exists(first.media_key)
    assert not await objects.exists(second.media_key)
    assert await quota_of(store) == (58, 2, 0)


async def test_a_file_that_was_deleted_is_never_filled_again(
    store: InMemoryEventStore, objects: FolderObjectStore, recording: Path, tmp_path: Path
) -> None:
    stream = MEDIA_FILE.stream_id(FILE)
    await happened(store, stream, uploaded(file_id=FILE), file_deleted(file_id=FILE))
    with pytest.raises(FileNotFound):
        await transcribe_upload(upload(), recording, store, objects, PROVENANCE, instructions=PLAIN)
    assert objects_in(tmp_path / "objects") == []


async def test_work_that_nobody_asked_for_has_not_begun(store: InMemoryEventStore) -> None:
    work = await find_work(store, ANNA, NAME)
    assert (work.file_id, work.has_begun, work.file.uploaded) == (FILE, False, None)


async def test_the_same_is_found_and_nothing_else(store: InMemoryEventStore) -> None:
    await sent(store, FILE)
    assert (await find_work(store, ANNA, NAME)).has_begun
    assert not (await find_work(store, ANNA, "d0" * 32)).has_begun
    assert not (await find_work(store, BERT, NAME)).has_begun


async def test_work_that_is_done_is_found(store: InMemoryEventStore) -> None:
    await sent(store, FILE, started(transcription_id=WORK), completed(transcription_id=WORK))
    work = await find_work(store, ANNA, NAME)
    assert (work.transcription_id, work.transcription.status) == (WORK, Status.COMPLETED)
    assert work.has_begun


@pytest.mark.parametrize("end", [failed, cancelled])
async def test_work_that_came_to_nothing_is_found_and_has_not_begun(
    store: InMemoryEventStore, end: Callable[[], Event]
) -> None:
    await sent(store, FILE, started(transcription_id=WORK), end())
    work = await find_work(store, ANNA, NAME)
    assert (work.file_id, work.has_begun) == (FILE, False)
    assert work.file.uploaded is not None


async def test_a_new_generation_follows_what_was_deleted(store: InMemoryEventStore) -> None:
    for generation in range(AT_ONCE + 1):
        file_id = file_id_of(ANNA, NAME, generation)
        assert (await find_work(store, ANNA, NAME)).file_id == file_id
        await sent(store, file_id, deleted(transcription_id=transcription_id_of(file_id)))
    last = file_id_of(ANNA, NAME, AT_ONCE + 1)
    assert (await find_work(store, ANNA, NAME)).file_id == last


async def test_a_transcript_outlives_its_recording(store: InMemoryEventStore) -> None:
    await sent(store, FILE, started(transcription_id=WORK), completed(transcription_id=WORK))
    await happened(store, MEDIA_FILE.stream_id(FILE), file_deleted(file_id=FILE))
    assert (await find_work(store, ANNA, NAME)).has_begun


async def test_a_recording_that_was_deleted_before_it_was_transcribed_is_sent_anew(
    store: InMemoryEventStore,
) -> None:
    await sent(store, FILE, started(transcription_id=WORK), failed())
    await happened(store, MEDIA_FILE.stream_id(FILE), file_deleted(file_id=FILE))
    assert (await find_work(store, ANNA, NAME)).file_id == file_id_of(ANNA, NAME, 1)
