"""Editing: the object is there before the event names it."""

import asyncio

import pytest
from msgspec.structs import replace

from commands.edit_transcript import TEXT_CHARACTERS_MAX, ChangeText, edit_transcript
from domain.errors import InvalidField, TranscriptionNotCompleted
from domain.transcript import Segment, Transcript, Word, transcript_of
from domain.transcript_keys import transcript_key
from domain.transcription import TRANSCRIPTION
from domain.transcription_events import Result, TranscriptEdited
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import decode_transcript, encode_transcript
from tests.builders import ANNA, LATER, completed, result, started
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import happened, transcription_queued

STREAM = TRANSCRIPTION.stream_id(TRANSCRIPTION_ID)
WORDS = (
    Word(text=" Hello", start_ms=0, end_ms=400, probability=0.9),
    Word(text=" word", start_ms=500, end_ms=900, probability=0.4),
)
HEARD = transcript_of([Segment(words=WORDS)], language="en", duration_ms=1_000)


def change(text: str) -> ChangeText:
    return ChangeText(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, text=text, changed_at=LATER)


async def heard(store: InMemoryEventStore, objects: FolderObjectStore) -> None:
    """A completed transcription that says "Hello word"."""
    content, sha256 = encode_transcript(HEARD)
    stored: Result = replace(
        result(), transcript_key=transcript_key(ANNA, TRANSCRIPTION_ID, sha256), transcript_sha256=sha256
    )
    await objects.put(stored.transcript_key, content)
    await transcription_queued(store)
    await happened(store, STREAM, started(), replace(completed(), result=stored))


async def current(store: InMemoryEventStore, objects: FolderObjectStore) -> Transcript:
    last = (await store.read_stream(STREAM))[-1]
    assert isinstance(last, TranscriptEdited)
    return decode_transcript(await objects.get(last.transcript_key))


async def test_an_edit_is_the_next_revision_and_keeps_the_times(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await heard(store, objects)
    await edit_transcript(change("Hello world"), store, objects, PROVENANCE)
    transcript = await current(store, objects)
    assert transcript.text == "Hello world"
    assert [(word.start_ms, word.end_ms, word.edited) for word in transcript.words] == [
        (0, 400, False),
        (500, 900, True),
    ]


async def test_words_that_were_deleted_and_come_back_have_their_times_again(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await heard(store, objects)
    await edit_transcript(change(""), store, objects, PROVENANCE)
    await edit_transcript(change("Hello word"), store, objects, PROVENANCE)
    assert await current(store, objects) == HEARD


async def test_an_edit_may_leave_no_text(store: InMemoryEventStore, objects: FolderObjectStore) -> None:
    await heard(store, objects)
    await edit_transcript(change(""), store, objects, PROVENANCE)
    assert (await current(store, objects)).text == ""


async def test_the_same_text_again_changes_nothing(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await heard(store, objects)
    assert await edit_transcript(change("Hello word"), store, objects, PROVENANCE) is None
    await edit_transcript(change("Hello world"), store, objects, PROVENANCE)
    assert await edit_transcript(change("Hello world"), store, objects, PROVENANCE) is None
    assert len(await store.read_stream(STREAM)) == 4


async def test_simultaneous_edits_each_become_a_revision(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await heard(store, objects)
    texts = ["Hello there", "Hello you"]
    await asyncio.gather(*(edit_transcript(change(text), store, objects, PROVENANCE) for text in texts))
    edits = [event for event in await store.read_stream(STREAM) if isinstance(event, TranscriptEdited)]
    assert [edit.revision for edit in edits] == [2, 3]
    assert (await current(store, objects)).text in texts


async def test_an_edit_before_completion_stores_nothing(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await transcription_queued(store)
    with pytest.raises(TranscriptionNotCompleted):
        await edit_transcript(change("Hello"), store, objects, PROVENANCE)
    assert len(await store.read_stream(STREAM)) == 1


async def test_a_text_nobody_can_have_said_is_refused(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await heard(store, objects)
    with pytest.raises(InvalidField, match="transcript_text has far more words than were said"):
        await edit_transcript(change("a " * 10_010), store, objects, PROVENANCE)
    with pytest.raises(InvalidField, match="transcript_text may have at most"):
        await edit_transcript(change("a" * (TEXT_CHARACTERS_MAX + 1)), store, objects, PROVENANCE)
