"""Editing: the object is there before the event names it."""

import asyncio

import pytest

from commands.edit_transcript import ChangeText, edit_transcript
from domain.errors import InvalidField, TranscriptionNotCompleted
from domain.rewording import TEXT_CHARACTERS_MAX
from domain.transcription_events import TranscriptEdited
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from tests.builders import ANNA, LATER
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import HEARD, STREAM, current, heard, transcription_queued


def change(text: str) -> ChangeText:
    return ChangeText(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, text=text, changed_at=LATER)


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
    assert (await edit_transcript(change("Hello word"), store, objects, PROVENANCE)).address is None
    await edit_transcript(change("Hello world"), store, objects, PROVENANCE)
    assert (await edit_transcript(change("Hello world"), store, objects, PROVENANCE)).address is None
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
