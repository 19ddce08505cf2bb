"""The transcripts that are kept in memory."""

from pathlib import Path

import pytest

from api.transcript_texts import TranscriptTexts
from domain.errors import TranscriptMissing
from infrastructure.object_store.folder import FolderObjectStore
from schemas.objects import encode_transcript
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
