"""What a worker needs from the world beside the object store, as protocols."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol, TypeAlias

from domain.languages import Abilities
from domain.transcription_events import TranscriptionCancelled, TranscriptionStarted
from inference_worker.child_messages import ChildMessage, Task
from schemas.messages import Report

Assignment: TypeAlias = TranscriptionStarted | TranscriptionCancelled


class Assignments(Protocol):
    """What the dispatcher tells this worker, from now on."""

    def __aiter__(self) -> AsyncIterator[Assignment]: ...


class Reports(Protocol):
    async def send(self, report: Report) -> None:
        """Returns once the report is safe."""
        ...


class RunningEngine(Protocol):
    """An engine in a process of its own."""

    @property
    def name(self) -> str: ...

    @property
    def abilities(self) -> Abilities: ...

    async def make_ready(self) -> None:
        """Raises EngineUnavailable or InvalidSetting."""
        ...

    def run(self, task: Task) -> AsyncGenerator[ChildMessage, None]:
        """Messages of one task; closing the iterator breaks the task off within two seconds. Raises Fault."""
        ...

    async def stop(self) -> None: ...
