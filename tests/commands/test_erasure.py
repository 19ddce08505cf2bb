"""Leaving: the request closes everything, and streams end with their minutes released."""

from pathlib import Path

import pytest

from commands.cancel_transcription import cancel_transcription
from commands.delete_file import delete_file
from commands.delete_transcription import delete_transcription
from commands.edit_transcript import ChangeText, edit_transcript
from commands.record_erasure import record_erasure
from commands.record_upload import record_upload
from commands.register_user import register_user
from commands.request_erasure import request_erasure
from commands.request_transcription import request_transcription
from domain.errors import ErasureNotRequested, PersonErased, TranscriptionNotFound
from domain.media_file import MEDIA_FILE, DeleteFile, RecordUpload
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import CancelTranscription, DeleteTranscription
from domain.user import USER, RecordErasure, RegisterUser, RequestErasure
from infrastructure.memory import InMemoryCredentials, InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from tests.builders import ANNA, FILE, LATER, NOON, erasure_requested, uploaded
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import file_uploaded, happened, quota_of, transcription_queued, types_of

DELETE = DeleteTranscription(
    transcription_id=TRANSCRIPTION_ID, user_id=ANNA, deleted_at=LATER, cancels=True
)


async def test_asking_again_changes_nothing(
    store: InMemoryEventStore, credentials: InMemoryCredentials
) -> None:
    register = RegisterUser(user_id=ANNA, email="anna@example.com", registered_at=NOON)
    await register_user(register, b"hash", 60, credentials, PROVENANCE)
    command = RequestErasure(user_id=ANNA, requested_at=LATER)
    assert await request_erasure(command, credentials, store, PROVENANCE) is not None
    assert await request_erasure(command, credentials, store, PROVENANCE) is None
    types = types_of(await store.read_stream(USER.stream_id(ANNA)))
    assert types == ["UserRegistered", "UserErasureRequested"]


async def test_nothing_is_taken_from_who_has_asked_to_be_erased(
    store: InMemoryEventStore, objects: FolderObjectStore, tmp_path: Path
) -> None:
    await transcription_queued(store)
    await happened(store, USER.stream_id(ANNA), erasure_requested())
    before = [record.type for record in store]
    with pytest.raises(PersonErased):
        await request_transcription(FILE, ANNA, LATER, store, PROVENANCE)
    cancel = CancelTranscription(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, cancelled_at=LATER)
    with pytest.raises(PersonErased):
        await cancel_transcription(cancel, store, PROVENANCE)
    change = ChangeText(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, text="x", changed_at=LATER)
    with pytest.raises(PersonErased):
        await edit_transcript(change, store, objects, PROVENANCE)
    file = uploaded()
    upload = RecordUpload(**{name: getattr(file, name) for name in RecordUpload.__struct_fields__})
    (tmp_path / "talk").write_bytes(b"talk")
    with pytest.raises(PersonErased):
        await record_upload(upload, tmp_path / "talk", store, objects, PROVENANCE)
    assert not await objects.exists(upload.media_key)
    assert [record.type for record in store] == before


async def test_deleting_what_is_at_work_cancels_it_and_releases_its_minutes(
    store: InMemoryEventStore,
) -> None:
    await transcription_queued(store)
    assert await quota_of(store) == (58, 2, 0)
    assert await delete_transcription(DELETE, store, PROVENANCE) is not None
    assert await delete_transcription(DELETE, store, PROVENANCE) is None
    types = types_of(await store.read_stream(TRANSCRIPTION.stream_id(TRANSCRIPTION_ID)))
    assert types[-2:] == ["TranscriptionCancelled", "TranscriptionDeleted"]
    assert await quota_of(store) == (60, 0, 0)


async def test_what_never_was_cannot_be_deleted(store: InMemoryEventStore) -> None:
    with pytest.raises(TranscriptionNotFound):
        await delete_transcription(DELETE, store, PROVENANCE)


async def test_a_file_is_deleted_once(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    command = DeleteFile(file_id=FILE, user_id=ANNA, deleted_at=LATER)
    assert await delete_file(command, store, PROVENANCE) is not None
    assert await delete_file(command, store, PROVENANCE) is None
    assert types_of(await store.read_stream(MEDIA_FILE.stream_id(FILE))) == ["FileUploaded", "FileDeleted"]


async def test_nobody_is_erased_who_did_not_ask_for_it(store: InMemoryEventStore) -> None:
    with pytest.raises(ErasureNotRequested):
        await record_erasure(RecordErasure(user_id=ANNA, erased_at=LATER), store, PROVENANCE)
