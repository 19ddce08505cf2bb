"""An engine process that is none: it says what a test tells it to, and remembers its tasks."""

from collections.abc import AsyncGenerator, Sequence

from domain.languages import Abilities
from domain.transcript import Damage, Segment, Word
from inference_worker.child_messages import ChildMessage, Finished, Task, WindowDone
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
        self.abilities = Abilities()
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

    async def make_ready(self) -> None: ...

    async def stop(self) -> None: ...

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


def sum_seconds(damages: Sequence[Damage]) -> float:
    return sum(each.end_ms - each.start_ms for each in damages) / 1000
