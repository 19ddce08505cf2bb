"""Told to end, every process ends by itself, and what it had in hand goes on at once: no lease is waited for."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from infrastructure.processes import PROCESSES
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
from tests.stack.waiting import END_SECONDS

FROZEN_SECONDS = 20.0
"""Each process is waited for 12 s and then killed, all at the same time: one after the other takes a minute."""
SERVERS_SECONDS = 30.0
LEASE_SECONDS = 300
"""Of processes and of attempts: whoever waited for one of them would come too late for every deadline here."""
SETTINGS = {
    "engine": "scripted",
    "scripted_speed": 10,
    "window_seconds": 10,
    "ready_interval_seconds": 0.5,
    "lease_seconds": LEASE_SECONDS,
    "attempt_lease_seconds": LEASE_SECONDS,
}
TONE_SECONDS = 60


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient() -> AsyncIterator[Installation]:
    """With leases that no test outlives."""
    with tempfile.TemporaryDirectory(prefix="stenolog-up-") as folder:
        Path(folder).chmod(0o711)
        installed = await start(Path(folder), **SETTINGS)
        try:
            yield installed
        finally:
            await stop(installed)


async def end(running: Installation, name: str) -> None:
    """Sends SIGTERM, and expects an end in time, with code 0, and a successor."""
    told = running.processes()[name]
    process = psutil.Process(told.pid)
    process.send_signal(signal.SIGTERM)
    await eventually(lambda: has_ended(process), END_SECONDS, f"{name} ends")
    await eventually(
        lambda: running.processes().get(name, told) != told, STOP_SECONDS, f"{name} has a successor"
    )
    said = (running.folder.path / "up.out").read_text().splitlines()
    assert f"{name} ended with code 0 " in next(line for line in reversed(said) if f"{name} ended" in line)


async def begins(person: Person, recording: Path) -> str:
    """Uploads a recording and returns when a worker is at it."""
    transcription_id = await person.requests((await person.uploads(recording))["file_id"])
    await person.waits_until(transcription_id, lambda seen: seen["progress_percentage"] > 0)
    return transcription_id


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSES)
async def test_a_process_that_is_told_to_end_hands_its_work_over(
    patient: Installation, tmp_path: Path, name: str
) -> None:
    async with Person.arrives(patient.url) as person:
        transcription_id = await begins(person, write_tone(tmp_path / "tone.wav", seconds=TONE_SECONDS))

        await end(patient, name)

        await person.waits_for(transcription_id, "completed")
        quota = await person.quota()
        assert (quota["quota_minutes_remaining"], quota["quota_minutes_used"]) == (59, 1)
    await until_quiet(patient)
    async with patient.database() as database:
        await assert_one_story(database, patient.settings)


@pytest.mark.slow
async def test_up_ends_with_work_under_way_and_the_next_one_finishes_it(fresh_folder: Path) -> None:
    ended = await start(fresh_folder, **SETTINGS)
    async with Person.arrives(ended.url) as person:
        recording = write_tone(fresh_folder / "tone.wav", seconds=TONE_SECONDS)
        transcription_id = await begins(person, recording)

        family = psutil.Process(ended.process.pid).children(recursive=True)
        await stop(ended)
        assert all(has_ended(member) for member in family)
        assert list(fresh_folder.glob("*.json")) == []

        again = await start(fresh_folder, **SETTINGS)
        try:
            person.moves_to(again.url)
            await person.waits_for(transcription_id, "completed")
            await until_quiet(again)
            async with again.database() as database:
                await assert_one_story(database, again.settings)
        finally:
            await stop(again)


@pytest.mark.slow
async def test_up_ends_in_time_when_none_of_its_processes_hears_that_it_is_to_end(
    fresh_folder: Path,
) -> None:
    ended = await start(fresh_folder, **SETTINGS)
    family = psutil.Process(ended.process.pid).children(recursive=True)
    processes = [psutil.Process(each.pid) for name, each in ended.processes().items() if name in PROCESSES]
    assert len(processes) == len(PROCESSES)
    for process in processes:
        process.suspend()

    ended.process.send_signal(signal.SIGTERM)

    await eventually(lambda: all(map(has_ended, processes)), FROZEN_SECONDS, "its processes end")
    async with asyncio.timeout(SERVERS_SECONDS):
        assert await ended.process.wait() == 0
    assert all(has_ended(member) for member in family)
