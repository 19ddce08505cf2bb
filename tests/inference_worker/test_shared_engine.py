"""Several recordings share one engine process: none of them loses anything by what happens to another."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from inference_worker import faults
from inference_worker.child_messages import ChildMessage, Finished, WindowDone
from inference_worker.engine_child import Deadlines
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.faults import Fault
from tests.inference_worker.test_engine_process import QUICK, run, task, windows_in
from tests.inference_worker.waiting import until
from tests.media import write_tone

STEADY = EngineChoice(kind="scripted", speed=20.0)
SLOW = EngineChoice(kind="scripted", speed=1.0)


class Listening:
    """A task in work, and what was said of it until now."""

    def __init__(self, engine: EngineProcess, media: Path) -> None:
        self.messages: list[ChildMessage] = []
        self.task = asyncio.create_task(self._listen(engine, media))

    async def _listen(self, engine: EngineProcess, media: Path) -> None:
        async for message in engine.run(task(media)):
            self.messages.append(message)

    def windows(self) -> Sequence[WindowDone]:
        return windows_in(self.messages)

    def has_window(self) -> bool:
        return bool(self.windows())

    def has_begun(self) -> bool:
        return bool(self.messages)

    async def ends_whole(self) -> None:
        """Every window once, in order, whatever happened meanwhile."""
        await self.task
        windows = self.windows()
        assert self.messages[-1] == Finished(decoded_seconds=60.0)
        assert [each.index for each in windows] == list(range(len(windows)))
        assert (windows[0].start_ms, windows[-1].end_ms) == (0, 60_000)
        assert all(one.end_ms == other.start_ms for one, other in pairwise(windows))

    async def is_cancelled(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        assert self.task.cancelled()


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "tone", seconds=60.0)


@pytest.fixture
async def engine() -> AsyncIterator[EngineProcess]:
    engine = EngineProcess(STEADY)
    await engine.make_ready()
    yield engine
    await engine.stop()


def process_of(engine: EngineProcess) -> psutil.Process:
    assert engine.pid is not None
    return psutil.Process(engine.pid)


async def test_many_recordings_are_heard_at_once_in_one_process(tone: Path) -> None:
    engine = EngineProcess(QUICK)
    await engine.make_ready()
    pid = engine.pid
    all_messages = await asyncio.gather(*(run(engine, task(tone)) for _ in range(8)))
    assert engine.pid == pid
    await engine.stop()
    assert all(messages[-1] == Finished(decoded_seconds=60.0) for messages in all_messages)
    assert all(windows_in(messages) == windows_in(all_messages[0]) for messages in all_messages)


async def test_a_cancelled_recording_disturbs_no_other(engine: EngineProcess, tone: Path) -> None:
    pid = engine.pid
    staying, leaving = Listening(engine, tone), Listening(engine, tone)
    await until(lambda: staying.has_begun() and leaving.has_begun())
    await leaving.is_cancelled()
    await staying.ends_whole()
    assert engine.pid == pid


async def test_what_is_in_a_killed_process_goes_on_after_its_last_window(
    engine: EngineProcess, tone: Path
) -> None:
    one, other = Listening(engine, tone), Listening(engine, tone)
    await until(lambda: one.has_window() and other.has_window())
    process_of(engine).kill()
    await one.ends_whole()
    await other.ends_whole()


async def test_who_is_twice_in_a_process_that_dies_before_its_next_window_has_failed(tone: Path) -> None:
    engine = EngineProcess(SLOW)
    await engine.make_ready()
    one, other = Listening(engine, tone), Listening(engine, tone)
    for _ in range(2):
        heard = len(one.messages), len(other.messages)
        await until(lambda: len(one.messages) > heard[0] and len(other.messages) > heard[1])  # noqa: B023  # waited for here
        process = process_of(engine)
        process.kill()
        await until(lambda: engine.pid != process.pid)  # noqa: B023  # waited for here
    for each in (one, other):
        with pytest.raises(Fault, match=faults.ENGINE_DIED):
            await each.task
    await engine.stop()


async def test_a_recording_that_does_not_end_when_nobody_wants_it_is_ended_for_the_others(
    tone: Path,
) -> None:
    engine = EngineProcess(STEADY, deadlines=Deadlines(alone_seconds=0.2, beside_seconds=0.5))
    await engine.make_ready()
    staying, leaving = Listening(engine, tone), Listening(engine, tone)
    await until(lambda: staying.has_window() and leaving.has_window())
    process = process_of(engine)
    process.send_signal(signal.SIGSTOP)
    await leaving.is_cancelled()
    await staying.ends_whole()
    assert not process.is_running()
    await engine.stop()


async def test_a_recording_the_engine_is_silent_about_has_failed_and_the_others_go_on(tone: Path) -> None:
    engine = EngineProcess(STEADY, deadlines=Deadlines(silence_seconds=5.0))
    await engine.make_ready()
    one, other = Listening(engine, tone), Listening(engine, tone)
    await until(lambda: one.has_window() and other.has_window())
    process_of(engine).send_signal(signal.SIGSTOP)
    ends = await asyncio.gather(one.task, other.task, return_exceptions=True)
    assert sorted(map(str, ends)) == ["None", faults.ENGINE_STALLED]
    await (one if ends[0] is None else other).ends_whole()
    await engine.stop()


async def test_a_process_that_never_idles_is_replaced_all_the_same(tone: Path) -> None:
    engine = EngineProcess(STEADY, tasks_max=2)
    await engine.make_ready()
    pid = engine.pid
    staying = Listening(engine, tone)
    await until(staying.has_window)
    for _ in range(4):
        short = Listening(engine, tone)
        await until(short.has_begun)
        await short.is_cancelled()
    await staying.ends_whole()
    assert engine.pid != pid
    await engine.stop()


async def test_stopping_the_engine_fails_what_is_in_work_and_leaves_no_process(tone: Path) -> None:
    engine = EngineProcess(SLOW)
    await engine.make_ready()
    process, working = process_of(engine), Listening(engine, tone)
    await until(working.has_begun)
    await engine.stop()
    with pytest.raises(Fault, match=faults.ENGINE_DIED):
        await working.task
    assert engine.pid is None
    assert not process.is_running()
