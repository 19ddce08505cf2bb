"""Who is told what when an engine process ends: who is to blame has failed, and the others may go on."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from domain.instructions import Instructions
from inference_worker.child_messages import ChildMessage, Faulted, Finished, Heard, Said, Task, encode_line
from inference_worker.engine_child import NOBODY, Deadlines, EngineChild, Interrupted
from inference_worker.engine_server import EngineUnavailable
from inference_worker.faults import ENGINE_DIED, Fault

TASK = Task(media="none", duration_seconds=60.0, instructions=Instructions(), window_seconds=10.0)


class Stdin:
    def write(self, line: bytes) -> None: ...


class FakeProcess:
    """Says what a test has it say."""

    pid = 4711

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.stdin = Stdin()
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self._ended = asyncio.Event()

    def says(self, number: int, message: ChildMessage) -> None:
        self.stdout.feed_data(encode_line(Said(number=number, message=message)))

    def kill(self) -> None:
        if self.returncode is None:
            self.returncode = -9
            self.stdout.feed_eof()
            self.stderr.feed_eof()
            self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        return -9

    def close(self) -> None: ...


@pytest.fixture
async def process() -> FakeProcess:
    return FakeProcess()


@pytest.fixture
async def child(process: Any) -> AsyncIterator[EngineChild]:
    child = EngineChild(process, Deadlines())
    process.says(0, Heard(position_ms=0))
    with pytest.raises(EngineUnavailable, match="before it was ready"):
        await child.greeting()
    yield child
    await child.stop()


async def heard_by(child: EngineChild) -> Sequence[ChildMessage]:
    return [message async for message in child.run(TASK)]


async def ends(
    child: EngineChild, process: FakeProcess, count: int, *said: tuple[int, ChildMessage]
) -> list[str]:
    """What became of so many tasks, when the process says this and dies."""
    running = [asyncio.create_task(heard_by(child)) for _ in range(count)]
    await asyncio.sleep(0)
    for number, message in said:
        process.says(number, message)
    process.kill()
    ended = await asyncio.gather(*running, return_exceptions=True)
    return [f"{each}" if isinstance(each, Fault) else type(each).__name__ for each in ended]


async def test_who_is_alone_in_a_process_that_dies_has_failed(
    child: EngineChild, process: FakeProcess
) -> None:
    assert await ends(child, process, 1) == [ENGINE_DIED]


async def test_who_is_one_of_several_may_go_on(child: EngineChild, process: FakeProcess) -> None:
    assert await ends(child, process, 3) == [Interrupted.__name__] * 3


async def test_a_recording_that_breaks_the_engine_is_alone_to_blame(
    child: EngineChild, process: FakeProcess
) -> None:
    broke = (2, Faulted(reason=ENGINE_DIED, permanent=False))
    assert await ends(child, process, 3, broke) == [Interrupted.__name__, ENGINE_DIED, Interrupted.__name__]


async def test_what_was_said_before_the_end_is_heard(child: EngineChild, process: FakeProcess) -> None:
    done = (1, Finished(decoded_seconds=60.0))
    assert await ends(child, process, 2, done) == ["list", Interrupted.__name__]


async def test_a_process_that_babbles_is_ended(child: EngineChild, process: FakeProcess) -> None:
    running = asyncio.create_task(heard_by(child))
    process.stdout.feed_data(b"Hello world!\n")
    with pytest.raises(Fault, match=ENGINE_DIED):
        await running
    assert not child.is_alive


async def test_a_task_for_a_process_that_has_just_died_is_told_so(
    child: EngineChild, process: FakeProcess
) -> None:
    process.kill()
    await child.stop(to_blame=NOBODY)
    with pytest.raises(Interrupted):
        await heard_by(child)
