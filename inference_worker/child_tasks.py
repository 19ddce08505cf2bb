"""The tasks of an engine's process: a thread for each, which ends when nobody wants the task any more."""

import os
import threading
import traceback
from collections.abc import Callable
from typing import Final, NoReturn, TypeAlias, assert_never

from inference_worker import faults
from inference_worker.child_messages import (
    Abandon,
    Abandoned,
    AlignmentTask,
    Begin,
    ChildMessage,
    Faulted,
    Order,
    Proceed,
    Said,
    Taken,
    Task,
    WindowDone,
)

WINDOWS_AHEAD: Final = 2
"""So many finished windows wait to be made safe; where that takes long, the engine waits rather than the memory fills."""
BROKEN_EXIT_CODE: Final = 70

Say: TypeAlias = Callable[[ChildMessage], None]
AwaitTurn: TypeAlias = Callable[[], None]
"""Returns when the task may have the engine, and from then on at once."""
Carry: TypeAlias = Callable[[Task | AlignmentTask, Say, AwaitTurn], None]
Speak: TypeAlias = Callable[[Said], None]


class NotWanted(BaseException):
    """Ends the thread of an abandoned task; nothing between may take it for an error, so that it is no Exception."""


class ChildTasks:
    """Owned by the thread that reads the orders."""

    def __init__(self, carry: Carry, speak: Speak) -> None:
        self._carry = carry
        self._speak = speak
        self._running: dict[int, _RunningTask] = {}

    def obey(self, order: Order) -> None:
        """An order about a task that has just ended comes too late, and is none."""
        match order:
            case Begin(number=number, task=task):
                self._running = {key: each for key, each in self._running.items() if each.is_alive()}
                self._running[number] = _RunningTask(number, self._speak)
                self._running[number].begin(task, self._carry)
            case Proceed(number=number):
                if number in self._running:
                    self._running[number].proceed()
            case Taken(number=number):
                if number in self._running:
                    self._running[number].go_on()
            case Abandon(number=number):
                if number in self._running:
                    self._running[number].abandon()
            case _:
                assert_never(order)


class _RunningTask:
    def __init__(self, number: int, speak: Speak) -> None:
        self._number = number
        self._speak = speak
        self._wanted = True
        self._room = threading.Semaphore(WINDOWS_AHEAD)
        self._turn = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, task: Task | AlignmentTask, carry: Carry) -> None:
        self._thread = threading.Thread(target=self._run, args=(task, carry), daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def proceed(self) -> None:
        self._turn.set()

    def go_on(self) -> None:
        self._room.release()

    def abandon(self) -> None:
        self._wanted = False
        self._room.release()
        self._turn.set()

    def _run(self, task: Task | AlignmentTask, carry: Carry) -> None:
        try:
            carry(task, self._say, self._await_turn)
        except NotWanted:
            self._tell(Abandoned())
        except BaseException:  # noqa: BLE001  # it ends the process
            self._break()

    def _await_turn(self) -> None:
        self._turn.wait()
        self._require_wanted()

    def _say(self, message: ChildMessage) -> None:
        """Every sign of progress is also where a task can be broken off."""
        if isinstance(message, WindowDone):
            self._room.acquire()
        self._require_wanted()
        self._tell(message)

    def _require_wanted(self) -> None:
        if not self._wanted:
            raise NotWanted

    def _tell(self, message: ChildMessage) -> None:
        self._speak(Said(number=self._number, message=message))

    def _break(self) -> NoReturn:
        """After what nobody foresaw, a GPU's state is not to be trusted: all begin anew, and this task is to blame."""
        try:
            traceback.print_exc()
            self._tell(Faulted(reason=faults.ENGINE_DIED, permanent=False))
        finally:
            os._exit(BROKEN_EXIT_CODE)
