"""Cancels a coroutine at one of its steps: where it waits for something, or just when that has come, or failed."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Final, Generic, Literal, TypeVar

T = TypeVar("T")
When = Literal["waiting", "done"]
WHENS: Final[tuple[When, ...]] = ("waiting", "done")


class CancelledAt(Generic[T]):
    """Await it in a task of its own. `was_cancelled` says whether there was such a step at all."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], step: int, when: When) -> None:
        self._coroutine = coroutine
        self._step = step
        self._when = when
        self.was_cancelled = False

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._coroutine.__await__()
        problem: BaseException | None = None
        number = 0
        while True:
            try:
                waited_for = steps.send(None) if problem is None else steps.throw(problem)
            except StopIteration as end:
                result: T = end.value
                return result
            self._cancel(number, "waiting")
            try:
                yield waited_for
                problem = None
            except BaseException as raised:  # noqa: BLE001  # it is the coroutine's to handle
                problem = raised
            if self._cancel(number, "done"):
                problem = asyncio.CancelledError()
            number += 1

    def _cancel(self, number: int, when: When) -> bool:
        if (number, when) != (self._step, self._when):
            return False
        self.was_cancelled = True
        if when == "waiting":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        return True
