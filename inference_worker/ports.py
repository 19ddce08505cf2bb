"""What a worker needs from the world beside the object store, as protocols."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol, TypeAlias

from domain.languages import Abilities
from domain.transcription_events import (
    AlignmentStarted,
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionStarted,
)
from inference_worker.child_messages import Aligned, AlignmentTask, ChildMessage, Task
from inference_worker.turns import AT_ONCE, Turn
from schemas.messages import Report

Assignment: TypeAlias = (
    TranscriptionStarted | TranscriptionAttemptFailed | TranscriptionCancelled | AlignmentStarted
)


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

    def run(self, task: Task, turn: Turn = AT_ONCE) -> AsyncGenerator[ChildMessage, None]:
        """Messages of one task, which is prepared at once and begins when its turn comes.

        Closing the iterator breaks the task off within two seconds. Raises Fault.
        """
        ...

    async def align(self, task: AlignmentTask) -> Aligned:
        """Cancel it to break the task off within two seconds. Only for engines with the ability. Raises Fault."""
        ...

    async def stop(self) -> None: ...
