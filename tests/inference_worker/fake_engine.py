"""An engine process that is none: it says what a test tells it to, and remembers its tasks."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence

from domain.alignment import Found, Stretch
from domain.languages import Abilities
from domain.transcript import Damage, Segment, Word
from inference_worker.child_messages import (
    Aligned,
    AlignmentTask,
    ChildMessage,
    Finished,
    Task,
    WindowDone,
)
from inference_worker.faults import Fault
from inference_worker.turns import AT_ONCE, Turn


class FakeEngine:
    """Windows of `window_ms` until the recording ends; `fails_before` is a window it does not get to."""

    def __init__(
        self,
        *,
        name: str = "fake",
        window_ms: int = 10_000,
        language: str = "en",
        decoded_seconds: float | None = None,
        damages: tuple[Damage, ...] = (),
        lost_seconds: float | None = None,
        fails_before: int | None = None,
        fault: Exception | None = None,
    ) -> None:
        self.name = name
        self.abilities = Abilities(aligns=True)
        self.alignments: list[AlignmentTask] = []
        self.may_align = asyncio.Event()
        self.may_align.set()
        self.alignment_fault: Exception | None = None
        self.times_made_ready = 0
        self.tasks: list[Task] = []
        self.windows: list[int] = []
        """The windows that were transcribed, over all tasks."""
        self._window_ms = window_ms
        self._language = language
        self._decoded_seconds = decoded_seconds
        self._damages = damages
        self._lost_seconds = sum_seconds(damages) if lost_seconds is None else lost_seconds
        self.fails_before = fails_before
        self._fault = fault or Fault("engine_died")

    async def make_ready(self) -> None:
        self.times_made_ready += 1

    async def stop(self) -> None: ...

    async def align(self, task: AlignmentTask) -> Aligned:
        """Finds every word, one after the other, all as long as one another."""
        self.alignments.append(task)
        await self.may_align.wait()
        if self.alignment_fault is not None:
            raise self.alignment_fault
        return Aligned(found=tuple(tuple(evenly(stretch)) for stretch in task.stretches))

    async def run(self, task: Task, turn: Turn = AT_ONCE) -> AsyncGenerator[ChildMessage, None]:
        self.tasks.append(task)
        await turn.comes()
        end_ms = round(task.duration_seconds * 1000)
        starts: Sequence[int] = range(task.begin.start_ms, end_ms, self._window_ms)
        for index, start_ms in enumerate(starts, task.begin.index):
            if index == self.fails_before:
                raise self._fault
            self.windows.append(index)
            yield self.window(index, start_ms, min(start_ms + self._window_ms, end_ms))
        decoded = task.duration_seconds if self._decoded_seconds is None else self._decoded_seconds
        yield Finished(decoded_seconds=decoded, lost_seconds=self._lost_seconds, damages=self._damages)

    def window(self, index: int, start_ms: int, end_ms: int) -> WindowDone:
        word = Word(text=f" window-{index}", start_ms=start_ms, end_ms=end_ms, probability=1.0)
        return WindowDone(
            index=index,
            start_ms=start_ms,
            end_ms=end_ms,
            language=self._language,
            segments=(Segment(words=(word,)),),
        )


def evenly(stretch: Stretch) -> Iterator[Found]:
    step_ms = (stretch.end_ms - stretch.start_ms) // len(stretch.words)
    for number in range(len(stretch.words)):
        start_ms = stretch.start_ms + number * step_ms
        yield Found(start_ms=start_ms, end_ms=start_ms + step_ms, probability=0.9)


def sum_seconds(damages: Sequence[Damage]) -> float:
    return sum(each.end_ms - each.start_ms for each in damages) / 1000
