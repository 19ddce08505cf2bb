"""From kill -9 of each part of a running installation to the first command visible again."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx

from benchmarks.measure import Measurement, report
from benchmarks.stack import open_folder
from tests.end_to_end.installation import Installation, start, stop
from tests.end_to_end.person import Person
from tests.media import write_tone

VICTIMS: Final = ("api", "relay", "project", "dispatch", "work", "PostgreSQL", "Apache Kafka")
BEHIND_THE_QUEUE: Final = ("dispatch", "work")
"""Without these everything is visible but work: so there the transcription has to complete."""
TRY_SECONDS: Final = 0.05
DEADLINE_SECONDS: Final = 120.0
CAPTION: Final = (
    "an upload, tried until it is accepted and then asked for until it is there; "
    "for dispatch and work a transcription requested after the kill, until it is completed"
)


async def main() -> None:
    with open_folder() as folder:
        tone = write_tone(folder / "tone.wav", seconds=10)
        running = await start(folder / "data", engine="scripted")
        try:
            report("recovery", CAPTION, await _measure(running, tone))
        finally:
            await stop(running)


async def _measure(running: Installation, tone: Path) -> list[Measurement]:
    async with Person.arrives(running.url) as person:
        await _transcribed(person, tone)  # Nothing of a first time is in the figures.
        return [await _recovery(running, person, tone, victim) for victim in _victims(running)]


def _victims(running: Installation) -> list[str]:
    """All there are: where Apache Kafka cannot be had, another broker runs under another name."""
    there = running.processes()
    return [name for name in VICTIMS if name in there] + [name for name in there if name not in VICTIMS]


async def _recovery(running: Installation, person: Person, tone: Path, victim: str) -> Measurement:
    command = _transcribed if victim in BEHIND_THE_QUEUE else _uploaded
    before = running.processes()[victim]
    os.kill(before.pid, signal.SIGKILL)
    killed_at = time.perf_counter()
    await _again_and_again(lambda: command(person, tone))
    seconds = time.perf_counter() - killed_at
    await _again_and_again(lambda: _transcribed(person, tone))  # All is well before the next is killed.
    return Measurement(situation=f"{victim} killed", unit="s", ours=seconds, peers={})


async def _again_and_again(command: Callable[[], Awaitable[None]]) -> None:
    """A client that does not give up."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await command()
            except (httpx.TransportError, AssertionError):
                await asyncio.sleep(TRY_SECONDS)


async def _uploaded(person: Person, tone: Path) -> None:
    file_id = (await person.uploads(tone))["file_id"]
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await person.client.get(f"/files/{file_id}")).status_code != 200:
            await asyncio.sleep(TRY_SECONDS)


async def _transcribed(person: Person, tone: Path) -> None:
    transcription_id = await person.requests((await person.uploads(tone))["file_id"])
    await person.waits_for(transcription_id, "completed")
