"""Typed words that were found in the sound: one revision of them, whoever asks how often, and times that later edits keep."""

import asyncio

import pytest
from msgspec.structs import replace

from commands.align_transcript import complete_alignment, start_alignment
from commands.edit_transcript import ChangeText, edit_transcript
from domain.aligning import CompleteAlignment, StartAlignment
from domain.errors import PersonErased, StaleAlignment, TranscriptionNotFound
from domain.transcript import Transcript
from domain.transcript_keys import transcript_key
from domain.transcription_events import AlignmentStarted, TranscriptAligned
from domain.user import USER
from infrastructure.memory import InMemoryEventStore
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import encode_transcript
from tests.builders import ANNA, LATER, WORKER, erasure_requested, identity, registered
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import STREAM, current, happened, heard, revisions

CALLERS = 100
START = StartAlignment(
    transcription_id=TRANSCRIPTION_ID, revision=2, attempt=1, worker_id=WORKER, started_at=LATER
)


async def edited(store: InMemoryEventStore, objects: FolderObjectStore, text: str) -> None:
    change = ChangeText(transcription_id=TRANSCRIPTION_ID, user_id=ANNA, text=text, changed_at=LATER)
    await edit_transcript(change, store, objects, PROVENANCE)


async def found(store: InMemoryEventStore, objects: FolderObjectStore) -> CompleteAlignment:
    """What a worker says that has found every typed word of revision 2, ten milliseconds long each."""
    before = await current(store, objects)
    words = [
        replace(word, start_ms=word.start_ms + 10, end_ms=word.start_ms + 20, timing="aligned")
        if word.timing == "estimated"
        else word
        for word in before.words
    ]
    after: Transcript = replace(before, segments=(replace(before.segments[0], words=tuple(words)),))
    content, sha256 = encode_transcript(after)
    key = transcript_key(ANNA, TRANSCRIPTION_ID, sha256)
    await objects.put(key, content)
    return CompleteAlignment(
        transcription_id=TRANSCRIPTION_ID,
        revision=2,
        attempt=1,
        worker_id=WORKER,
        transcript_key=key,
        transcript_sha256=sha256,
        word_count=after.word_count,
        aligned_count=sum(word.timing == "aligned" for word in words),
        aligned_at=LATER,
    )


@pytest.fixture
async def typed(store: InMemoryEventStore, objects: FolderObjectStore) -> None:
    """Two words in the place of one."""
    await heard(store, objects)
    await edited(store, objects, "Hello wide world")


@pytest.mark.usefixtures("typed")
async def test_an_edit_says_how_many_words_are_to_be_looked_for(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    assert (await revisions(store))[-1].estimated_count == 2
    await edited(store, objects, "Hello world")
    assert (await revisions(store))[-1].estimated_count == 0


@pytest.mark.usefixtures("typed")
async def test_a_hundred_who_start_it_start_it_once(store: InMemoryEventStore) -> None:
    answers = await asyncio.gather(
        *(
            start_alignment(replace(START, worker_id=identity(f"worker {number}")), store, PROVENANCE)
            for number in range(CALLERS)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, StaleAlignment) for answer in answers) == CALLERS - 1
    events = await store.read_stream(STREAM)
    assert sum(isinstance(event, AlignmentStarted) for event in events) == 1


@pytest.mark.usefixtures("typed")
async def test_a_hundred_reports_of_what_was_found_make_one_revision(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await start_alignment(START, store, PROVENANCE)
    command = await found(store, objects)
    answers = await asyncio.gather(
        *(complete_alignment(command, store, PROVENANCE) for _ in range(CALLERS)), return_exceptions=True
    )
    assert sum(isinstance(answer, StaleAlignment) for answer in answers) == CALLERS - 1
    events = await store.read_stream(STREAM)
    assert sum(isinstance(event, TranscriptAligned) for event in events) == 1


@pytest.mark.usefixtures("typed")
async def test_edits_elsewhere_keep_the_times_that_were_found(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await start_alignment(START, store, PROVENANCE)
    await complete_alignment(await found(store, objects), store, PROVENANCE)
    aligned = await current(store, objects)
    for text in ("HELLO wide world", "Hello, wide world"):
        await edited(store, objects, text)
        kept = await current(store, objects)
        assert list(kept.words)[1:] == list(aligned.words)[1:]
        assert (await revisions(store))[-1].estimated_count == 0
    await edited(store, objects, "Hello wide world")
    assert await current(store, objects) == aligned


@pytest.mark.usefixtures("typed")
async def test_the_same_text_again_is_no_edit_although_words_were_found_meanwhile(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await start_alignment(START, store, PROVENANCE)
    await complete_alignment(await found(store, objects), store, PROVENANCE)
    await edited(store, objects, "Hello wide world")
    assert [each.making for each in await revisions(store)] == ["heard", "edited", "aligned"]


@pytest.mark.usefixtures("typed")
async def test_nothing_is_looked_for_or_found_for_who_has_asked_to_be_erased(
    store: InMemoryEventStore, objects: FolderObjectStore
) -> None:
    await start_alignment(START, store, PROVENANCE)
    command = await found(store, objects)
    await happened(store, USER.stream_id(ANNA), registered(), erasure_requested())
    for attempt in (
        start_alignment(replace(START, attempt=2), store, PROVENANCE),
        complete_alignment(command, store, PROVENANCE),
    ):
        with pytest.raises(PersonErased):
            await attempt


async def test_what_nobody_requested_is_not_found(store: InMemoryEventStore) -> None:
    with pytest.raises(TranscriptionNotFound):
        await start_alignment(START, store, PROVENANCE)
