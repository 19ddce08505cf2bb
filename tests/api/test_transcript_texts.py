"""The transcripts that are kept in memory."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.transcript_texts import TranscriptTexts
from domain.errors import TranscriptMissing
from domain.transcript import Segment, Word, transcript_of
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import (
    SEGMENTS_AT_ONCE,
    around_segments,
    decode_outline,
    encode_transcript,
    segments_in_parts,
)
from tests.api.rig import HEARD

CONTENT, _ = encode_transcript(HEARD)


class CountedObjects(FolderObjectStore):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[str] = []

    async def get(self, key: str) -> bytes:
        self.asked.append(key)
        return await super().get(key)


@pytest.fixture
async def objects(tmp_path: Path) -> CountedObjects:
    store = CountedObjects(tmp_path)
    await store.prepare()
    for key in ("a", "b", "c"):
        await store.put(key, CONTENT)
    return store


words = st.builds(
    Word,
    text=st.text(max_size=12) | st.just(' "segments":['),
    start_ms=st.integers(0, 10**8),
    end_ms=st.integers(0, 10**8),
    probability=st.none() | st.floats(0, 1),
)
segments = st.lists(words, min_size=1, max_size=3).map(lambda each: Segment(words=tuple(each)))


@given(st.lists(segments, max_size=250))
@settings(max_examples=25)
def test_a_transcript_sent_in_parts_is_the_whole_one(spoken: list[Segment]) -> None:
    content, _ = encode_transcript(transcript_of(spoken, language="en", duration_ms=1_000))
    outline = decode_outline(content)
    before, after = around_segments(outline.frame)
    parts = list(segments_in_parts(outline))
    assert b"".join([before, *parts, after]) == content
    assert len(parts) == -(-len(outline.segments) // SEGMENTS_AT_ONCE)


def test_the_words_of_a_long_transcript_are_never_all_in_memory() -> None:
    word = Word(text=" word", start_ms=1_000_000, end_ms=1_000_400, probability=0.99)
    long = transcript_of([Segment(words=(word,) * 10)] * 2_000, language="en", duration_ms=7_200_000)
    content, _ = encode_transcript(long)
    del long
    tracemalloc.start()
    try:
        sent = sum(map(len, segments_in_parts(decode_outline(content))))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent > 0.9 * len(content)
    assert peak_bytes < len(content) / 2  # of all its words at once it would be more than twice as much


async def test_a_transcript_is_fetched_once(objects: CountedObjects) -> None:
    texts = TranscriptTexts(objects)
    assert await texts.text("a") == "Hello world."
    assert await texts.transcript("a") == HEARD
    assert objects.asked == ["a"]


async def test_the_one_not_asked_for_longest_makes_room(objects: CountedObjects) -> None:
    texts = TranscriptTexts(objects, bytes_max=2 * len(CONTENT))
    for key in ("a", "b", "a", "c", "a", "b"):
        await texts.text(key)
    assert objects.asked == ["a", "b", "c", "b"]


async def test_what_is_larger_than_the_room_is_not_kept(objects: CountedObjects) -> None:
    texts = TranscriptTexts(objects, bytes_max=len(CONTENT) - 1)
    await texts.text("a")
    await texts.text("a")
    assert objects.asked == ["a", "a"]


async def test_a_missing_transcript_is_an_error_of_its_own(objects: CountedObjects) -> None:
    with pytest.raises(TranscriptMissing):
        await TranscriptTexts(objects).text("absent")


async def test_so_is_a_damaged_one(objects: CountedObjects) -> None:
    await objects.put("damaged", CONTENT[:-10])
    for ask in (TranscriptTexts(objects).text, TranscriptTexts(objects).transcript):
        with pytest.raises(TranscriptMissing):
            await ask("damaged")
