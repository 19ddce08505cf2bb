"""One engine for all slots of a worker: its process is replaced when it must be, and the tasks in it go on in the next."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from msgspec.structs import replace

from domain.languages import Abilities
from inference_worker import faults
from inference_worker.child_messages import Aligned, AlignmentTask, ChildMessage, Task, WindowDone
from inference_worker.engine_child import NOBODY, Deadlines, EngineChild, Interrupted
from inference_worker.engine_server import fork_engine
from inference_worker.engines.choice import EngineChoice
from inference_worker.faults import Fault
from inference_worker.spoken import Spoken
from inference_worker.turns import AT_ONCE, Turn
from inference_worker.windows import WindowStart

TASKS_MAX: Final = 100
RESIDENT_BYTES_MAX: Final = 6 << 30
"""Long-lived engines grow; after so many tasks, or so large, a fresh one takes over as soon as nothing is in work."""
GROWTH_BYTES: Final = 2 << 30
"""So much larger than when it was ready it may be in any case: a fresh one of a large model would be no smaller."""
OVERDUE: Final = 2
"""So many times that, it takes over although something is in work, which loses a window of it."""

log = logging.getLogger(__name__)


class EngineProcess:
    """Any number of tasks at once, as many as the choice has slots without one waiting for another."""

    def __init__(
        self,
        choice: EngineChoice,
        *,
        tasks_max: int = TASKS_MAX,
        resident_bytes_max: int = RESIDENT_BYTES_MAX,
        deadlines: Deadlines = Deadlines(),  # noqa: B008  # frozen
        digest_of: Callable[[str], str] | None = None,
    ) -> None:
        """`digest_of` is asked for the hash of the model's weights before each start: they may be others by then."""
        self._choice = choice
        self._tasks_max = tasks_max
        self._resident_bytes_max = resident_bytes_max
        self._ready_bytes = 0
        """How large the process was when it was ready."""
        self._deadlines = deadlines
        self._digest_of = digest_of
        self._child: EngineChild | None = None
        self._replacing = asyncio.Lock()
        self.name = ""
        """Set once the process has been ready for the first time."""
        self.abilities = Abilities()
        """So are these."""

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.is_alive else None

    async def make_ready(self) -> None:
        """Starts the process unless a good one is there. Raises EngineUnavailable or InvalidSetting."""
        await self._ready_child()

    async def run(self, task: Task, turn: Turn = AT_ONCE) -> AsyncGenerator[ChildMessage, None]:
        """The messages of one task from its turn on, Finished as the last. Raises Fault, and InvalidSetting when no task can be done.

        Close it (`contextlib.aclosing`) to break the task off. Where the process ends for another task's sake, this
        one goes on after its last window in a new process; twice without one in between, it is as much to blame.
        """
        part = _Part(task)
        while True:
            child = await self._ready_child()
            try:
                async with aclosing(child.run(part.rest(), turn)) as messages:
                    async for message in messages:
                        part.take(message)
                        yield message
                    return
            except Interrupted as problem:
                if problem.had_begun and not part.may_go_on():
                    raise Fault(faults.ENGINE_DIED) from problem
                log.warning("%s with several recordings in work; they go on in a new one", problem)

    async def align(self, task: AlignmentTask) -> Aligned:
        """What was found in the sound. Cancel it to break the task off. Raises Fault, and InvalidSetting when no task can be done."""
        child = await self._ready_child()
        try:
            async with aclosing(child.run(task)) as messages:
                async for message in messages:
                    if isinstance(message, Aligned):
                        return message
        except Interrupted as problem:
            raise Fault(faults.ENGINE_DIED) from problem
        raise Fault(faults.ENGINE_DIED)

    async def stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    async def _ready_child(self) -> EngineChild:
        async with self._replacing:
            if self._child is None or not self._child.is_alive or self._is_spent(self._child):
                await self._replace()
            assert self._child is not None
            return self._child

    async def _replace(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop(to_blame=NOBODY)
        child = EngineChild(await fork_engine(await self._choice_now()), self._deadlines)
        try:
            ready = await child.greeting()
        except BaseException:
            await child.stop()
            raise
        self._ready_bytes = child.resident_bytes()
        self._child, self.name, self.abilities = child, ready.engine, ready.abilities

    async def _choice_now(self) -> EngineChoice:
        if self._digest_of is None:
            return self._choice
        digest = await asyncio.to_thread(self._digest_of, self._choice.model)
        return replace(self._choice, digest=digest)

    def _is_spent(self, child: EngineChild) -> bool:
        """Those in work are not disturbed for it, unless it is overdue."""
        times = 1 if child.is_idle else OVERDUE
        bytes_max = max(self._resident_bytes_max, self._ready_bytes + GROWTH_BYTES)
        return child.task_count >= times * self._tasks_max or child.resident_bytes() > times * bytes_max


class _Part:
    """How far a task has come, over the processes that it was in."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._next = task.begin
        self._spoken = Spoken(task.before)
        self._interrupted_at: WindowStart | None = None

    def take(self, message: ChildMessage) -> None:
        if isinstance(message, WindowDone):
            self._next = WindowStart(index=message.index + 1, start_ms=message.end_ms)
            self._spoken.add(message)

    def rest(self) -> Task:
        return replace(self._task, begin=self._next, before=dict(self._spoken.seconds))

    def may_go_on(self) -> bool:
        """Once at each place."""
        before, self._interrupted_at = self._interrupted_at, self._next
        return before != self._next
