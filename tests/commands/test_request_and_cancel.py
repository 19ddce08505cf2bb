"""Requesting and cancelling a transcription: its event and its minutes, both or neither."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from commands.cancel_transcription import cancel_transcription
from commands.request_transcription import request_transcription
from domain.errors import (
    FileNotFound,
    NotOwner,
    PersonErased,
    QuotaExceeded,
    TranscriptionExists,
    TranscriptionNotFound,
)
from domain.instructions import Instructions
from domain.media_file import MEDIA_FILE
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import CancelTranscription
from domain.transcription_events import TranscriptionRequested
from infrastructure.memory import InMemoryEventStore, InMemoryKeys
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import decode_instructions
from tests.builders import ANNA, BERT, FILE, LATER, NOON, identity, uploaded
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import file_uploaded, happened, quota_of, transcription_queued, types_of

ASKED = Instructions(language="de", task="translate", prompt="Grüße", vocabulary=("Szczecin",))
STREAM = TRANSCRIPTION.stream_id(TRANSCRIPTION_ID)


def cancel(user_id: UUID = ANNA) -> CancelTranscription:
    return CancelTranscription(transcription_id=TRANSCRIPTION_ID, user_id=user_id, cancelled_at=LATER)


async def test_a_request_reserves_the_minutes_of_its_recording(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await file_uploaded(store)
    address = await request_transcription(
        FILE, ANNA, NOON, store, PROVENANCE, instructions=ASKED, objects=objects
    )
    [event] = await store.read_stream(STREAM)
    assert isinstance(event, TranscriptionRequested)
    assert (event.minutes, event.job.instructions) == (2, ASKED)
    assert await quota_of(store) == (58, 2, 0)
    assert address is not None
    assert address.seq == await store.head(address.partition)


async def test_what_the_engine_is_told_is_where_the_event_says(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await file_uploaded(store)
    await request_transcription(FILE, ANNA, NOON, store, PROVENANCE, instructions=ASKED, objects=objects)
    [event] = await store.read_stream(STREAM)
    assert isinstance(event, TranscriptionRequested)
    assert event.job.instructions_key is not None
    assert decode_instructions(await objects.get(event.job.instructions_key)) == ASKED


async def test_a_request_that_is_refused_leaves_nothing_of_what_the_engine_was_to_be_told(
    store: InMemoryEventStore, objects: FolderObjectStore, tmp_path: Path
) -> None:
    await file_uploaded(store, minutes=1)
    with pytest.raises(QuotaExceeded):
        await request_transcription(
            FILE, ANNA, NOON, store, PROVENANCE, instructions=ASKED, objects=objects
        )
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


async def test_nothing_of_what_an_erased_person_tells_the_engine_stays(
    store: InMemoryEventStore, objects: FolderObjectStore, tmp_path: Path
) -> None:
    await file_uploaded(store)
    assert isinstance(store.person_keys, InMemoryKeys)
    await store.person_keys.erase(ANNA)
    with pytest.raises(PersonErased):
        await request_transcription(
            FILE, ANNA, NOON, store, PROVENANCE, instructions=ASKED, objects=objects
        )
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    assert await quota_of(store) == (60, 0, 0)


async def test_a_request_without_words_for_the_engine_puts_no_object(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    await request_transcription(
        FILE, ANNA, NOON, store, PROVENANCE, instructions=Instructions(language="de")
    )
    [event] = await store.read_stream(STREAM)
    assert isinstance(event, TranscriptionRequested)
    assert event.job.instructions_key is None


async def test_a_request_above_the_quota_leaves_no_transcription(store: InMemoryEventStore) -> None:
    await file_uploaded(store, minutes=1)
    with pytest.raises(QuotaExceeded):
        await request_transcription(FILE, ANNA, NOON, store, PROVENANCE)
    assert await store.read_stream(STREAM) == []
    assert await quota_of(store) == (1, 0, 0)


async def test_a_second_request_for_a_file_reserves_nothing(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    await request_transcription(FILE, ANNA, NOON, store, PROVENANCE)
    with pytest.raises(TranscriptionExists):
        await request_transcription(FILE, ANNA, NOON, store, PROVENANCE)
    assert await quota_of(store) == (58, 2, 0)


async def test_of_simultaneous_requests_for_one_file_one_wins(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    answers = await asyncio.gather(
        *(request_transcription(FILE, ANNA, NOON, store, PROVENANCE) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, TranscriptionExists) for answer in answers) == 4
    assert await quota_of(store) == (58, 2, 0)


async def test_simultaneous_requests_never_overspend_the_quota(store: InMemoryEventStore) -> None:
    await file_uploaded(store, minutes=5)
    files = [identity(f"file {number}") for number in range(4)]
    for file_id in files:
        await happened(store, MEDIA_FILE.stream_id(file_id), uploaded(file_id=file_id))
    answers = await asyncio.gather(
        *(request_transcription(file_id, ANNA, NOON, store, PROVENANCE) for file_id in files),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, QuotaExceeded) for answer in answers) == 2
    assert await quota_of(store) == (1, 4, 0)


async def test_only_the_owner_may_request(store: InMemoryEventStore) -> None:
    await file_uploaded(store)
    with pytest.raises(NotOwner):
        await request_transcription(FILE, BERT, NOON, store, PROVENANCE)
    with pytest.raises(FileNotFound):
        await request_transcription(identity("no file"), ANNA, NOON, store, PROVENANCE)


async def test_a_cancelled_transcription_releases_its_minutes(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await cancel_transcription(cancel(), store, PROVENANCE)
    assert types_of(await store.read_stream(STREAM)) == ["TranscriptionRequested", "TranscriptionCancelled"]
    assert await quota_of(store) == (60, 0, 0)


async def test_cancelling_twice_changes_nothing(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await cancel_transcription(cancel(), store, PROVENANCE)
    assert await cancel_transcription(cancel(), store, PROVENANCE) is None
    assert await quota_of(store) == (60, 0, 0)


async def test_a_cancelled_transcription_may_be_requested_again(store: InMemoryEventStore) -> None:
    await transcription_queued(store)
    await cancel_transcription(cancel(), store, PROVENANCE)
    await request_transcription(FILE, ANNA, LATER, store, PROVENANCE)
    assert await quota_of(store) == (58, 2, 0)


async def test_only_the_owner_may_cancel(store: InMemoryEventStore) -> None:
    with pytest.raises(TranscriptionNotFound):
        await cancel_transcription(cancel(), store, PROVENANCE)
    await transcription_queued(store)
    with pytest.raises(NotOwner):
        await cancel_transcription(cancel(BERT), store, PROVENANCE)
    assert await quota_of(store) == (58, 2, 0)
