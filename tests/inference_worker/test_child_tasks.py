"""The tasks of an engine's process keep apart, wait for who takes their windows, and end when nobody wants them."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from domain.instructions import Instructions
from inference_worker.child_messages import (
    Abandon,
    Abandoned,
    AlignmentTask,
    Begin,
    ChildMessage,
    Faulted,
    Finished,
    Heard,
    Proceed,
    Said,
    Taken,
    Task,
    WindowDone,
    decode_said,
)
from inference_worker.child_tasks import BROKEN_EXIT_CODE, WINDOWS_AHEAD, AwaitTurn, ChildTasks, Say
from inference_worker.faults import ENGINE_DIED

PATIENCE_SECONDS = 20.0
TASK = Task(media="none", duration_seconds=60.0, instructions=Instructions(), window_seconds=10.0)


class Listener:
    """What tasks say, as it comes."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._news = threading.Condition()

    def __call__(self, said: Said) -> None:
        with self._news:
            self.said.append(said)
            self._news.notify_all()

    def of(self, number: int) -> list[ChildMessage]:
        return [each.message for each in self.said if each.number == number]

    def waits_for(self, number: int, message: ChildMessage) -> None:
        with self._news:
            assert self._news.wait_for(lambda: message in self.of(number), PATIENCE_SECONDS), self.said


@pytest.fixture
def listener() -> Listener:
    return Listener()


def window(index: int) -> WindowDone:
    return WindowDone(index=index, start_ms=index, end_ms=index + 1, language="en", segments=())


def windows(said: list[ChildMessage]) -> list[int]:
    return [each.index for each in said if isinstance(each, WindowDone)]


def says_windows_for_ever(_: Task | AlignmentTask, say: Say, __: AwaitTurn) -> None:
    for index in count():
        say(Heard(position_ms=index))
        say(window(index))


@pytest.fixture
def endless(listener: Listener) -> Iterator[ChildTasks]:
    tasks = ChildTasks(says_windows_for_ever, listener)
    yield tasks
    for number in {each.number for each in listener.said}:
        tasks.obey(Abandon(number=number))


def test_a_task_finishes_no_more_windows_than_are_taken(listener: Listener, endless: ChildTasks) -> None:
    endless.obey(Begin(number=1, task=TASK))
    for ahead in range(WINDOWS_AHEAD, WINDOWS_AHEAD + 3):
        listener.waits_for(1, Heard(position_ms=ahead))
        assert windows(listener.of(1)) == list(range(ahead))
        endless.obey(Taken(number=1))


def test_a_task_that_waits_for_its_windows_to_be_taken_can_be_abandoned(
    listener: Listener, endless: ChildTasks
) -> None:
    endless.obey(Begin(number=1, task=TASK))
    listener.waits_for(1, Heard(position_ms=WINDOWS_AHEAD))
    endless.obey(Abandon(number=1))
    listener.waits_for(1, Abandoned())
    assert windows(listener.of(1)) == list(range(WINDOWS_AHEAD))


def test_an_abandoned_task_leaves_the_others_alone(listener: Listener, endless: ChildTasks) -> None:
    endless.obey(Begin(number=1, task=TASK))
    endless.obey(Begin(number=2, task=TASK))
    for number in (1, 2):
        listener.waits_for(number, Heard(position_ms=WINDOWS_AHEAD))
    endless.obey(Abandon(number=1))
    listener.waits_for(1, Abandoned())
    endless.obey(Taken(number=2))
    listener.waits_for(2, window(WINDOWS_AHEAD))


def decodes_then_transcribes(_: Task | AlignmentTask, say: Say, await_turn: AwaitTurn) -> None:
    say(Heard(position_ms=0))
    await_turn()
    say(Finished(decoded_seconds=1.0))


def test_a_task_is_prepared_before_its_turn_and_goes_on_when_it_comes(listener: Listener) -> None:
    tasks = ChildTasks(decodes_then_transcribes, listener)
    for number in (1, 2):
        tasks.obey(Begin(number=number, task=TASK))
        listener.waits_for(number, Heard(position_ms=0))
    tasks.obey(Proceed(number=2))
    listener.waits_for(2, Finished(decoded_seconds=1.0))
    assert listener.of(1) == [Heard(position_ms=0)]
    tasks.obey(Proceed(number=1))
    listener.waits_for(1, Finished(decoded_seconds=1.0))


def test_a_task_that_waits_for_its_turn_can_be_abandoned(listener: Listener) -> None:
    tasks = ChildTasks(decodes_then_transcribes, listener)
    tasks.obey(Begin(number=1, task=TASK))
    listener.waits_for(1, Heard(position_ms=0))
    tasks.obey(Abandon(number=1))
    listener.waits_for(1, Abandoned())


def test_orders_about_a_task_that_has_ended_come_too_late(listener: Listener) -> None:
    done = Finished(decoded_seconds=1.0)
    tasks = ChildTasks(lambda _, say, __: say(done), listener)
    for number in (1, 2):
        tasks.obey(Begin(number=number, task=TASK))
        listener.waits_for(number, done)
        tasks.obey(Taken(number=number))
        tasks.obey(Abandon(number=number))
        tasks.obey(Abandon(number=number + 10))
    assert [each.message for each in listener.said] == [done, done]


def test_what_nobody_foresaw_ends_the_process_and_the_task_is_said_to_be_to_blame() -> None:
    script = """
import sys, time
from inference_worker.child_messages import Begin, encode_line
from inference_worker.child_tasks import ChildTasks
from tests.inference_worker.test_child_tasks import TASK

def speak(said):
    sys.stdout.buffer.write(encode_line(said))
    sys.stdout.buffer.flush()

def carry(task, say, await_turn):
    raise MemoryError("the GPU has none left")

ChildTasks(carry, speak).obey(Begin(number=7, task=TASK))
time.sleep(20)  # it is ended before
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    )  # our own interpreter
    assert ended.returncode == BROKEN_EXIT_CODE
    assert decode_said(ended.stdout) == Said(number=7, message=Faulted(reason=ENGINE_DIED, permanent=False))
    assert b"the GPU has none left" in ended.stderr
