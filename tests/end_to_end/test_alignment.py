"""Words that somebody typed get the times at which they are said, although the worker that looks for them is killed."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.end_to_end.installation import Installation
from tests.end_to_end.person import Person, expect

SECONDS_MAX = 90.0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not await condition():
            await asyncio.sleep(0.2)  # a client's polling interval


async def test_typed_words_are_found_in_the_sound_although_their_worker_is_killed(
    running: Installation, two_windows: Path
) -> None:
    async with Person.arrives(running.url) as person:
        transcription_id = await person.requests((await person.uploads(two_windows))["file_id"])
        done = await person.waits_for(transcription_id, "completed")
        assert "free afternoon" in done["transcript_text"]
        typed = done["transcript_text"].replace("free afternoon", "free after noon")
        await person.edits(transcription_id, typed)
        path = f"/transcriptions/{transcription_id}"

        async def words() -> list[dict[str, Any]]:
            body = expect(await person.client.get(f"{path}/transcript"), 200)
            return [word for segment in body["transcript"]["segments"] for word in segment["words"]]

        async def has_begun() -> bool:
            told: Any = expect(await person.client.get(f"{path}/history"), 200)
            return "alignment_started" in {each["what"] for each in told}

        async def is_aligned() -> bool:
            return "aligned" in {word["timing"] for word in await words()}

        await until(has_begun)
        await running.kill("work")
        await until(is_aligned)

        found = [word["text"] for word in await words() if word["timing"] == "aligned"]
        assert [word.strip(" ,.") for word in found] == ["after", "noon"]
        assert all(before["end_ms"] <= after["start_ms"] for before, after in pairwise(await words()))
        assert (await person.sees(transcription_id))["transcript_text"] == typed
        made: Any = expect(await person.client.get(f"{path}/revisions"), 200)
        assert [each["made_by"] for each in made] == ["aligned", "edited", "heard"]
