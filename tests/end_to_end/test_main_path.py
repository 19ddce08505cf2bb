"""From a recording to text, subtitles and a smaller quota, with one story in the log, in Kafka and in the tables."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jiwer
import pytest_asyncio
import srt

from tests.asyncapi import breaches_in
from tests.end_to_end.installation import Installation
from tests.end_to_end.person import Person
from tests.end_to_end.quiet import until_quiet
from tests.end_to_end.story import assert_one_story

WORD_ERROR_RATE_MAX = 0.15


@pytest_asyncio.fixture
async def anna(running: Installation) -> AsyncIterator[Person]:
    async with Person.arrives(running.url) as person:
        yield person


def normalised(text: str) -> str:
    return " ".join(re.sub(r"[^a-z ]", " ", text.lower().replace("\n", " ")).split())


async def test_a_recording_becomes_text_and_costs_its_minutes(
    running: Installation, anna: Person, speech: Path, spoken_text: str
) -> None:
    uploaded = await anna.uploads(speech)
    assert 74 < uploaded["duration_seconds"] < 76
    transcription_id = await anna.requests(uploaded["file_id"])
    assert await anna.quota() == {
        "quota_minutes_remaining": 58,
        "quota_minutes_reserved": 2,
        "quota_minutes_used": 0,
    }

    progress: list[int] = []

    def completed(seen: dict[str, Any]) -> bool:
        progress.append(seen["progress_percentage"])
        return bool(seen["status"] == "completed")

    done = await anna.waits_until(transcription_id, completed)
    assert progress == sorted(progress)
    assert any(0 < percentage < 100 for percentage in progress)
    assert jiwer.wer(normalised(spoken_text), normalised(done["transcript_text"])) < WORD_ERROR_RATE_MAX
    assert await anna.quota() == {
        "quota_minutes_remaining": 58,
        "quota_minutes_reserved": 0,
        "quota_minutes_used": 2,
    }
    await until_quiet(running)
    async with running.database() as database:
        await assert_one_story(database, running.settings, forgetful=running.forgetful)
    messages, breaches = await breaches_in(running.settings)
    assert (messages > 10, breaches) == (True, [])


async def test_an_edited_text_is_exported_with_the_times_of_its_words(
    running: Installation, anna: Person, speech: Path
) -> None:
    transcription_id = await anna.requests((await anna.uploads(speech))["file_id"])
    heard = (await anna.waits_for(transcription_id, "completed"))["transcript_text"]
    before = list(srt.parse(await anna.exports(transcription_id, "srt")))

    await anna.edits(transcription_id, heard.replace("Good morning", "Good evening"))

    assert (await anna.sees(transcription_id))["transcript_text"].startswith("Good evening")
    after = list(srt.parse(await anna.exports(transcription_id, "srt")))
    assert [(cue.start, cue.end) for cue in after] == [(cue.start, cue.end) for cue in before]
    assert after[0].content.startswith("Good evening")
    assert (await anna.exports(transcription_id, "vtt")).startswith("WEBVTT\n")
    assert (await anna.exports(transcription_id, "txt")).startswith("Good evening")
