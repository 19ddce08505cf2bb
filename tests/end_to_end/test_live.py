"""Who listens sees a transcription go on whatever process is killed: nothing is missed by coming back with the last id."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from cli.client import opened_client
from tests.api.streams import Told, events_of
from tests.end_to_end.installation import Installation, eventually, start, stop
from tests.end_to_end.person import Person
from tests.media import write_tone

PAUSE_SECONDS = 0.1
LISTENERS = 20


class Listener:
    """Comes back whenever a stream ends or breaks off, until it was told a final state, or for ever."""

    def __init__(self, person: Person, path: str) -> None:
        self._client = person.client
        self._path = path
        self._last = ""
        self.told: list[Told] = []
        self.came = 0
        self.has_ended = False

    @property
    def texts(self) -> str:
        """Of the windows, in their order; one that came again took the place of the first."""
        heard = {told.data["index"]: told.data["text"] for told in self.told if told.name == "window"}
        return " ".join(heard[index] for index in sorted(heard))

    @property
    def states(self) -> list[str]:
        """Without repetitions."""
        briefs = [told.brief for told in self.told if told.name == "transcription"]
        return [brief for place, brief in enumerate(briefs) if briefs[place - 1 : place] != [brief]]

    async def listen(self) -> None:
        while not self.has_ended:
            with suppress(httpx.TransportError):
                async for told in self._stream():
                    self._last = told.id or self._last
                    if told.name:
                        self.told.append(told)
            await asyncio.sleep(PAUSE_SECONDS)  # as a client's `retry`, only sooner

    async def _stream(self) -> AsyncIterator[Told]:
        headers = {"Last-Event-ID": self._last} if self._last else {}
        async with self._client.stream("GET", self._path, headers=headers) as answer:
            self.came += 1
            assert answer.status_code in (200, 204, 503), await answer.aread()
            self.has_ended = answer.status_code == 204
            if answer.status_code == 200:
                async for told in events_of(answer):
                    yield told


KILLED = ["api", "work", "PostgreSQL"]
RARELY = [pytest.param(name, marks=pytest.mark.slow) for name in ("project", "dispatch", "Kafka")]


@pytest.mark.parametrize("name", [*KILLED, *RARELY])
async def test_a_listener_misses_nothing_although_a_process_is_killed(
    running: Installation, two_windows: Path, name: str
) -> None:
    async with Person.arrives(running.url) as person, asyncio.TaskGroup() as tasks:
        everything = Listener(person, "/events")
        endless = tasks.create_task(everything.listen())
        transcription_id = await person.requests((await person.uploads(two_windows))["file_id"])
        one = Listener(person, f"/transcriptions/{transcription_id}/events")
        listening = tasks.create_task(one.listen())
        await eventually(lambda: bool(one.texts), 90, "the first window is told")

        await running.kill(name)

        async with asyncio.timeout(120):
            await listening
        await eventually(lambda: everything.states[-1:] == ["completed"], 30, "its end is told to both")
        endless.cancel()
        assert one.states[-1] == everything.states[-1] == "completed"
        final = one.told[-1].data
        assert final == await person.sees(transcription_id)
        # What is finished in the last moments comes with the whole text alone.
        assert final["transcript_text"].startswith(one.texts)
        assert final["transcript_text"].startswith(everything.texts)
        assert name != "api" or one.came > 2


async def test_the_client_of_the_command_line_listens_until_the_end(
    running: Installation, two_windows: Path
) -> None:
    async with Person.arrives(running.url) as person, opened_client(running.url) as client:
        client.use_token(person.client.headers["Authorization"].removeprefix("Bearer "))
        transcription_id = await person.requests((await person.uploads(two_windows))["file_id"])
        async with asyncio.timeout(120):
            states = [state async for state in client.states(UUID(transcription_id))]
        assert states[-1].status == "completed"
        assert states[-1].transcript_text == (await person.sees(transcription_id))["transcript_text"]


@pytest.mark.slow
async def test_listeners_of_two_api_processes_are_told_the_same(tmp_path: Path) -> None:
    running = await start(
        tmp_path / "data", engine="scripted", scripted_speed=10, window_seconds=5, api_workers=2
    )
    try:
        async with (
            Person.arrives(running.url) as person,
            asyncio.timeout(180),
            asyncio.TaskGroup() as tasks,
        ):
            recording = write_tone(tmp_path / "tone.wav", seconds=30)
            transcription_id = await person.requests((await person.uploads(recording))["file_id"])
            listeners = [
                Listener(person, f"/transcriptions/{transcription_id}/events") for _ in range(LISTENERS)
            ]
            for listener in listeners:
                tasks.create_task(listener.listen())
        for listener in listeners:
            end = listener.told[-1].data
            assert end["status"] == "completed"
            assert listener.texts
            assert end["transcript_text"].startswith(listener.texts)
    finally:
        await stop(running)
