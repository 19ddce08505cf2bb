"""The texts of finished windows that are kept in memory."""

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest

from api.window_texts import WindowTexts
from domain.ports import ObjectStoreUnavailable
from domain.transcript import Segment, Word
from projections.live import WindowRow
from tests.api.listening import Objects


@pytest.fixture
async def objects(tmp_path: Path) -> Objects:
    store = Objects(tmp_path)
    await store.prepare()
    return store


async def stored(objects: Objects, key: str, *texts: str) -> WindowRow:
    segments = [Segment(words=(Word(text=f" {text}", start_ms=0, end_ms=1),)) for text in texts]
    await objects.put(key, msgspec.json.encode({"type": "WindowDone", "index": 0, "segments": segments}))
    return WindowRow(1, 0, 0, 1, key)


async def test_a_text_is_read_once_for_all_who_ask_at_the_same_time_and_later(objects: Objects) -> None:
    texts, window = WindowTexts(objects), await stored(objects, "a", "Call me", "Ishmael.")
    together = await asyncio.gather(*(texts.text(window) for _ in range(20)))
    assert {*together, await texts.text(window)} == {"Call me Ishmael."}
    assert objects.asked["a"] == 1


async def test_what_is_kept_is_bounded(objects: Objects) -> None:
    texts = WindowTexts(objects, characters_max=3_000)
    windows = [await stored(objects, f"{number}", "x" * 1_000) for number in range(5)]
    for window in windows:
        await texts.text(window)
    await texts.text(windows[-1])
    await texts.text(windows[0])
    assert (objects.asked["4"], objects.asked["0"]) == (1, 2)


async def test_one_that_was_cut_otherwise_under_the_same_key_is_read_anew(objects: Objects) -> None:
    texts, window = WindowTexts(objects), await stored(objects, "a", "one way")
    assert await texts.text(window) == "one way"
    await stored(objects, "a", "another way")
    assert await texts.text(WindowRow(2, 0, 0, 2, "a")) == "another way"


async def test_one_that_is_gone_has_no_text_and_is_not_looked_for_again(objects: Objects) -> None:
    texts, window = WindowTexts(objects), WindowRow(1, 0, 0, 1, "gone")
    assert [await texts.text(window), await texts.text(window)] == [None, None]
    assert objects.asked["gone"] == 1


async def test_one_that_was_gone_and_is_made_again_by_a_later_attempt_has_its_text(
    objects: Objects,
) -> None:
    texts = WindowTexts(objects)
    assert await texts.text(WindowRow(1, 0, 0, 1, "a")) is None
    await stored(objects, "a", "once more")
    assert await texts.text(WindowRow(2, 0, 0, 1, "a")) == "once more"


async def test_one_that_cannot_be_read_has_no_text_and_is_told_to_the_operator(
    objects: Objects, caplog: pytest.LogCaptureFixture
) -> None:
    await objects.put("a", b"no window")
    with caplog.at_level(logging.ERROR):
        assert await WindowTexts(objects).text(WindowRow(1, 0, 0, 1, "a")) is None
    assert "cannot be read" in caplog.text


async def test_while_the_store_is_away_nothing_is_kept(objects: Objects) -> None:
    texts, window = WindowTexts(objects), await stored(objects, "a", "there")
    objects.away = True
    with pytest.raises(ObjectStoreUnavailable):
        await texts.text(window)
    objects.away = False
    assert await texts.text(window) == "there"


async def test_who_stops_asking_takes_the_text_from_nobody(objects: Objects) -> None:
    texts, window = WindowTexts(objects), await stored(objects, "a", "there")
    impatient, patient = (asyncio.create_task(texts.text(window)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == "there"
