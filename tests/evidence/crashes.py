"""An object store, tables and a teller in which a process dies at a step that the test chooses."""

from collections.abc import Awaitable, Callable
from typing import Any

from evidence.sealer import Tell


class Killed(BaseException):
    """Nothing of the process goes on after it."""


class Steps:
    """Counts what changes something, and ends the process at one of them: before it is done, or after."""

    def __init__(self, deadly: int, *, done: bool) -> None:
        self.count = 0
        self._deadly = deadly
        self._done = done

    async def take(self, step: Callable[[], Awaitable[Any]]) -> Any:
        self.count += 1
        if self.count > self._deadly:
            raise Killed
        if self.count < self._deadly:
            return await step()
        if self._done:
            await step()
        raise Killed


class Mortal:
    """Whatever changes something through it is a step."""

    def __init__(self, living: Any, steps: Steps, *names: str) -> None:
        self._living = living
        self._steps = steps
        self._names = names

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._living, name)
        if name not in self._names:
            return call
        return lambda *arguments: self._steps.take(lambda: call(*arguments))


def mortal_tell(tell: Tell, steps: Steps) -> Tell:
    async def tell_or_die(partition: int) -> None:
        await steps.take(lambda: tell(partition))

    return tell_or_die
