"""Whatever happens in whatever order: who listens ends up knowing the newest state, and all windows, once each and in order."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from api.following import Following, State, WindowFinished
from api.live import Live
from api.live_position import BEGINNING, Position, decode_position, encode_position
from domain.transcription import Status
from projections.transcriptions import TranscriptionView
from tests.api.listening import Objects, World, live_over, queued
from tests.builders import ANNA, identity

SECONDS_MAX: Final = 10.0
ENDS: Final = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
STEPS: Final = ("progress", "window", "read", "database", "store", "kill")


class Client:
    """Reads when it is told to, and comes back with the last id after it was cut off."""

    def __init__(self, transcription_id: UUID | None) -> None:
        self._transcription_id = transcription_id
        self._since: Position = BEGINNING
        self._exits = ExitStack()
        self._following: Following | None = None
        self.states: dict[UUID, TranscriptionView] = {}
        self.windows: list[int] = []
        self.has_ended = False

    def comes(self, live: Live) -> None:
        if self._following is None and not self.has_ended:
            self._following = self._exits.enter_context(
                live.follow(ANNA, self._transcription_id, self._since)
            )

    def leaves(self) -> None:
        self._exits.close()
        self._following = None

    async def reads(self, live: Live, seconds: float) -> bool:
        """Whether there was something."""
        self.comes(live)
        if self._following is None:
            return False
        change = await self._following.next(seconds)
        self._since = decode_position(encode_position(self._following.position))
        match change:
            case State(view):
                self.states[view.id] = view
                self.has_ended = change.is_final and self._transcription_id is not None
            case WindowFinished():
                self.windows.append(change.index)
            case _:
                return False
        return True


class Course:
    """What happens to one transcription, to those who listen to it and to two processes, of which one serves."""

    def __init__(self, world: World, processes: list[Live]) -> None:
        self._world = world
        self._processes = processes
        self._view = world.has(
            queued(transcription_id=identity("followed")), status=Status.PROCESSING, attempt=1
        )
        self.windows = 0
        self.clients = (Client(self._view.id), Client(None))

    async def goes(self, step: str) -> None:
        match step:
            case "progress":
                percentage = self._view.progress_percentage + 1
                self._view = self._world.has(self._view, progress_percentage=percentage)
            case "window":
                await self._world.heard(self._view, self.windows, f"{self.windows}")
                self.windows += 1
            case "read":
                for client in self.clients:
                    await client.reads(self._processes[0], 0.005)
            case "kill":
                for client in self.clients:
                    client.leaves()
                self._processes.reverse()
            case _:
                self._turns(step)

    def _turns(self, what: str) -> None:
        """Off or on."""
        if what == "store":
            self._world.objects.away = not self._world.objects.away
        else:
            self._world.away = not self._world.away
            for process in self._processes:
                process.missed()

    async def settles(self) -> None:
        """Everything is there again, and those who listen are told what they do not know yet."""
        self._world.away = self._world.objects.away = False
        for client in self.clients:
            while client.states.get(self._view.id) != self._view or len(client.windows) < self.windows:
                assert await client.reads(self._processes[0], SECONDS_MAX)

    async def ends(self, status: Status) -> None:
        self._view = self._world.has(self._view, status=status)
        await self.settles()
        for client in self.clients:
            client.leaves()


@settings(max_examples=60)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=25), end=st.sampled_from(ENDS))
async def test_who_listens_ends_up_knowing_everything(steps: Sequence[str], end: Status) -> None:
    with tempfile.TemporaryDirectory() as folder:
        objects = Objects(Path(folder))
        await objects.prepare()
        world = World(objects)
        async with live_over(world) as first, live_over(world) as second:
            with world.heard_by(first), world.heard_by(second):
                course = Course(world, [first, second])
                for step in steps:
                    await course.goes(step)
                await course.settles()
                await course.ends(end)
    assert [client.windows for client in course.clients] == [list(range(course.windows))] * 2
    assert course.clients[0].has_ended
