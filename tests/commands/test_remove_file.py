"""Deleting one's own: a file alone or with its transcription, and a transcription alone, both or neither."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from commands.cancel_transcription import cancel_transcription
from commands.delete_transcription import delete_transcription
from commands.remove_file import Fate, RemoveFile, remove_file
from commands.request_transcription import request_transcription
from domain.errors import (
    FileNotFound,
    NotOwner,
    PersonErased,
    TranscriptionNotDeletable,
    TranscriptionNotFound,
    TranscriptionWasDeleted,
)
from domain.media_file import MEDIA_FILE
from domain.transcription import TRANSCRIPTION, Status
from domain.transcription_commands import CancelTranscription, DeleteTranscription
from domain.user import USER
from infrastructure.memory import InMemoryEventStore
from tests.builders import ANNA, BERT, FILE, LATER, NOON, completed, erasure_requested, identity, started
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import file_uploaded, happened, quota_of, transcription_queued, types_of

CALLERS = 100
STREAM = TRANSCRIPTION.stream_id(TRANSCRIPTION_ID)
DELETE = DeleteTranscription(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, deleted_at=LATER)
CANCEL = CancelTranscription(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, cancelled_at=LATER)


def wish(transcript: Fate = "keep", user_id: UUID = ANNA, file_id: UUID = FILE) -> RemoveFile:
    return RemoveFile(file_id=file_id, user_id=user_id, transcript=transcript, removed_at=LATER)


async def transcription_completed(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await happened(store, STREAM, started(), completed())


async def status_of(store: InMemoryEventStore) -> Status:
    events: Any = await store.read_stream(STREAM)
    return TRANSCRIPTION.fold(events).status


async def file_events(store: InMemoryEventStore) -> list[str]:
    return types_of(await store.read_stream(MEDIA_FILE.stream_id(FILE)))


async def at_once(*calls: Any) -> Sequence[Any]:
    async with asyncio.timeout(30):
        return await asyncio.gather(*calls, return_exceptions=True)


async def test_a_deleted_file_leaves_its_transcript(store: InMemoryEventStore) -> None:
    await transcription_completed(store)
    assert await remove_file(wish(), store, PROVENANCE) is not None
    assert await file_events(store) == ["FileUploaded", "FileDeleted"]
    assert await status_of(store) is Status.COMPLETED


async def test_a_file_is_deleted_with_its_transcript_where_that_is_asked_for(
    store: InMemoryEventStore,
) -> None:
    await transcription_completed(store)
    assert await remove_file(wish("delete"), store, PROVENANCE) is not None
    assert (await file_events(store))[-1] == "FileDeleted"
    assert await status_of(store) is Status.DELETED


async def test_the_transcript_may_be_deleted_after_its_file(store: InMemoryEventStore) -> None:
    await transcription_completed(store)
    await remove_file(wish(), store, PROVENANCE)
    assert await remove_file(wish(), store, PROVENANCE) is None
    assert await remove_file(wish("delete"), store, PROVENANCE) is not None
    assert await status_of(store) is Status.DELETED
    assert (await file_events(store)).count("FileDeleted") == 1


async def test_a_file_that_was_never_transcribed_is_deleted(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    await remove_file(wish("delete"), store, PROVENANCE)
    assert (await file_events(store))[-1] == "FileDeleted"
    assert await store.read_stream(STREAM) == []


@pytest.mark.parametrize("transcript", ["keep", "delete"])
async def test_while_it_is_transcribed_nothing_of_a_file_is_deleted(
    store: InMemoryEventStore, transcript: Fate
) -> None:
    await transcription_queued(store)
    before = len([*store])
    for _ in range(2):
        with pytest.raises(TranscriptionNotDeletable) as refusal:
            await remove_file(wish(transcript), store, PROVENANCE)
        assert refusal.value.transcription_id == TRANSCRIPTION_ID
        with pytest.raises(TranscriptionNotDeletable):
            await delete_transcription(DELETE, store, PROVENANCE)
        assert len([*store]) == before
        await happened(store, STREAM, started())
        before += 1
    await cancel_transcription(CANCEL, store, PROVENANCE)
    await remove_file(wish(transcript), store, PROVENANCE)
    assert await quota_of(store) == (60, 0, 0)


async def test_a_deleted_file_is_not_transcribed_any_more(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    await remove_file(wish(), store, PROVENANCE)
    with pytest.raises(FileNotFound):
        await request_transcription(FILE, ANNA, LATER, store, PROVENANCE)


async def test_whose_transcription_was_deleted_is_told_to_upload_it_again(
    store: InMemoryEventStore,
) -> None:
    await transcription_completed(store)
    assert await delete_transcription(DELETE, store, PROVENANCE) is not None
    assert await delete_transcription(DELETE, store, PROVENANCE) is None
    with pytest.raises(TranscriptionWasDeleted, match="upload the recording again"):
        await request_transcription(FILE, ANNA, LATER, store, PROVENANCE)


async def test_only_the_owner_deletes(store: InMemoryEventStore) -> None:
    await transcription_completed(store)
    with pytest.raises(NotOwner):
        await remove_file(wish("delete", BERT), store, PROVENANCE)
    await remove_file(wish(), store, PROVENANCE)
    with pytest.raises(FileNotFound):
        await remove_file(wish("delete", BERT), store, PROVENANCE)
    with pytest.raises(FileNotFound):
        await remove_file(wish(file_id=identity("none")), store, PROVENANCE)
    none = DeleteTranscription(transcription_id=identity("none"), user_id=ANNA, deleted_at=NOON)
    with pytest.raises(TranscriptionNotFound):
        await delete_transcription(none, store, PROVENANCE)


async def test_nothing_is_deleted_one_by_one_for_who_is_being_erased(store: InMemoryEventStore) -> None:
    await transcription_completed(store)
    await happened(store, USER.stream_id(ANNA), erasure_requested())
    with pytest.raises(PersonErased):
        await remove_file(wish("delete"), store, PROVENANCE)
    with pytest.raises(PersonErased):
        await delete_transcription(DELETE, store, PROVENANCE)


async def test_of_a_hundred_who_delete_at_once_one_does(store: InMemoryEventStore) -> None:
    await transcription_completed(store)
    answers = await at_once(*(remove_file(wish("delete"), store, PROVENANCE) for _ in range(CALLERS)))
    assert sum(answer is not None for answer in answers) == 1
    assert not any(isinstance(answer, BaseException) for answer in answers)
    assert (await file_events(store)).count("FileDeleted") == 1
    assert types_of(await store.read_stream(STREAM)).count("TranscriptionDeleted") == 1


async def test_of_a_hundred_who_delete_a_transcription_at_once_one_does(store: InMemoryEventStore) -> None:
    await transcription_completed(store)
    answers = await at_once(*(delete_transcription(DELETE, store, PROVENANCE) for _ in range(CALLERS)))
    assert sum(answer is not None for answer in answers) == 1
    assert not any(isinstance(answer, BaseException) for answer in answers)
    assert types_of(await store.read_stream(STREAM)).count("TranscriptionDeleted") == 1


async def test_requests_and_deletions_at_once_never_leave_a_job_for_a_file_that_is_gone(
    store: InMemoryEventStore,
) -> None:
    await file_uploaded(store)
    await at_once(
        *(
            call
            for _ in range(CALLERS // 2)
            for call in (
                request_transcription(FILE, ANNA, NOON, store, PROVENANCE),
                remove_file(wish(), store, PROVENANCE),
            )
        )
    )
    is_there = "FileDeleted" not in await file_events(store)
    assert is_there == (await status_of(store) is Status.QUEUED)
    assert await quota_of(store) == ((58, 2, 0) if is_there else (60, 0, 0))
