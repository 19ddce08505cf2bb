"""After kill -9 of any one process during a transcription, the transcription completes."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end.installation import (
    STOP_SECONDS,
    Installation,
    eventually,
    has_ended,
    start,
    stop,
)
from tests.end_to_end.person import Person
from tests.end_to_end.quiet import until_quiet
from tests.end_to_end.story import assert_one_story
from tests.media import write_tone

PROCESSES = ["api", "relay", "project", "dispatch", "work", "seal", "PostgreSQL", "Kafka"]
IN_THE_MIDDLE = 20
"""Per cent; the first ones are an estimate, and are there before the engine has heard anything."""


@pytest.mark.parametrize(
    ("name", "percentage"), [*((name, IN_THE_MIDDLE) for name in PROCESSES), ("Kafka", 0)]
)
async def test_a_transcription_completes_although_a_process_is_killed(
    running: Installation, two_windows: Path, name: str, percentage: int
) -> None:
    async with Person.arrives(running.url) as person:
        transcription_id = await person.requests((await person.uploads(two_windows))["file_id"])
        await person.waits_until(transcription_id, lambda seen: seen["progress_percentage"] > percentage)

        await running.kill(name)

        shown: list[int] = []

        def is_completed(seen: dict[str, Any]) -> bool:
            shown.append(seen["progress_percentage"])
            return bool(seen["status"] == "completed")

        done = await person.waits_until(transcription_id, is_completed)
        assert shown == sorted(shown)
        assert "fishing village" in done["transcript_text"]
        quota = await person.quota()
        assert (quota["quota_minutes_remaining"], quota["quota_minutes_used"]) == (59, 1)
    await until_quiet(running)
    async with running.database() as database:
        await assert_one_story(database, running.settings, forgetful=running.forgetful)


async def test_the_next_up_goes_on_where_a_killed_one_stopped(fresh_folder: Path) -> None:
    settings = {"engine": "scripted", "scripted_speed": 10, "window_seconds": 5, "attempt_lease_seconds": 4}
    killed = await start(fresh_folder, **settings)
    async with Person.arrives(killed.url) as person:
        recording = write_tone(fresh_folder / "tone.wav", seconds=30)
        transcription_id = await person.requests((await person.uploads(recording))["file_id"])
        await person.waits_until(transcription_id, lambda seen: seen["progress_percentage"] > 0)
        family = psutil.Process(killed.process.pid).children(recursive=True)
        assert len(family) >= len(PROCESSES)

        os.kill(killed.process.pid, signal.SIGKILL)
        await killed.process.wait()
        (fresh_folder / "addresses.json").unlink()
        await eventually(lambda: all(map(has_ended, family)), STOP_SECONDS, "every process has ended")

        again = await start(fresh_folder, **settings)
        try:
            person.moves_to(again.url)
            for health in ("ready", "system"):
                assert (await person.client.get(f"/health/{health}")).status_code == 200
            await person.waits_for(transcription_id, "completed")
            await until_quiet(again)
            async with again.database() as database:
                await assert_one_story(database, again.settings, forgetful=again.forgetful)
        finally:
            await stop(again)
