"""An engine process does its tasks, can be ended at any moment, and ends with its worker."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import msgspec
import psutil
import pytest

from domain.instructions import Instructions
from domain.media_errors import NotMedia
from domain.transcript import Damage
from inference_worker import faults
from inference_worker.child_messages import ChildMessage, Finished, Heard, Task, WindowDone
from inference_worker.engine_child import Deadlines
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.faults import Fault
from inference_worker.windows import WindowStart
from infrastructure.media.children import child_environment
from infrastructure.media.timeline import tolerance_seconds
from infrastructure.settings import InvalidSetting
from tests.inference_worker.waiting import until
from tests.media import write_tone

QUICK = EngineChoice(kind="scripted", speed=1000.0)
SLOW = EngineChoice(kind="scripted", speed=1.0)


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "tone", seconds=60.0)


@pytest.fixture
async def quick() -> AsyncIterator[EngineProcess]:
    engine = EngineProcess(QUICK)
    yield engine
    await engine.stop()


@pytest.fixture
async def slow() -> AsyncIterator[EngineProcess]:
    engine = EngineProcess(SLOW)
    yield engine
    await engine.stop()


def task(
    media: Path,
    *,
    duration_seconds: float = 60.0,
    begin: WindowStart = WindowStart(),  # noqa: B008  # frozen
    language: str | None = None,
) -> Task:
    return Task(
        media=str(media),
        duration_seconds=duration_seconds,
        instructions=Instructions(language=language),
        window_seconds=10.0,
        begin=begin,
    )


async def run(engine: EngineProcess, asked: Task) -> Sequence[ChildMessage]:
    async with aclosing(engine.run(asked)) as messages:
        return [message async for message in messages]


async def fault_of(engine: EngineProcess, asked: Task) -> tuple[str, bool]:
    with pytest.raises(Fault) as raised:
        await run(engine, asked)
    return raised.value.reason, raised.value.permanent


def windows_in(messages: Sequence[ChildMessage]) -> list[WindowDone]:
    return [message for message in messages if isinstance(message, WindowDone)]


async def test_a_task_gives_every_window_and_then_the_length(quick: EngineProcess, tone: Path) -> None:
    messages = await run(quick, task(tone))
    windows = windows_in(messages)
    assert messages[-1] == Finished(decoded_seconds=60.0)
    assert [window.index for window in windows] == list(range(len(windows)))
    assert (windows[0].start_ms, windows[-1].end_ms) == (0, 60_000)
    assert all(one.end_ms == other.start_ms for one, other in pairwise(windows))


async def test_progress_is_told_within_a_window(tone: Path) -> None:
    engine = EngineProcess(EngineChoice(kind="scripted", speed=60.0))
    messages = await run(engine, task(tone))
    await engine.stop()
    positions = [message.position_ms for message in messages if isinstance(message, Heard)]
    assert positions == sorted(positions)
    assert len(positions) > 2 * len(windows_in(messages))


async def test_before_a_window_is_heard_its_end_is_told(quick: EngineProcess, tone: Path) -> None:
    messages = await run(quick, task(tone))
    begun = {(each.position_ms, each.end_ms) for each in messages if isinstance(each, Heard)}
    assert {(each.start_ms, each.end_ms) for each in windows_in(messages)} <= begun


async def test_the_process_stays_for_the_next_task(quick: EngineProcess, tone: Path) -> None:
    first = await run(quick, task(tone))
    pid = quick.pid
    second = await run(quick, task(tone))
    assert windows_in(first) == windows_in(second)
    assert quick.pid == pid


async def test_a_task_begins_where_an_earlier_one_was_broken_off(quick: EngineProcess, tone: Path) -> None:
    whole = windows_in(await run(quick, task(tone)))
    begin = WindowStart(index=3, start_ms=whole[2].end_ms)
    assert windows_in(await run(quick, task(tone, begin=begin))) == whole[3:]


async def test_a_cancelled_task_ends_with_its_decoder_and_the_engine_stays(
    slow: EngineProcess, tone: Path
) -> None:
    await slow.make_ready()
    assert slow.pid is not None
    process = psutil.Process(slow.pid)
    before = process.children(recursive=True)  # what decoders are forked from
    running = asyncio.create_task(run(slow, task(tone)))
    await until(lambda: len(process.children(recursive=True)) > len(before))
    children = set(process.children(recursive=True)) - set(before)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not any(map(_runs, children)))
    assert slow.pid == process.pid


async def test_closing_the_messages_ends_an_engine_that_does_not_heed_it(
    slow: EngineProcess, tone: Path
) -> None:
    async with aclosing(slow.run(task(tone))) as messages:
        await anext(messages)
        assert slow.pid is not None
        process = psutil.Process(slow.pid)
        process.send_signal(signal.SIGSTOP)
        closed_at = time.monotonic()
    assert time.monotonic() - closed_at < 2.0
    assert not process.is_running()


async def test_after_a_task_was_broken_off_the_next_one_works(quick: EngineProcess, tone: Path) -> None:
    async with aclosing(quick.run(task(tone))) as messages:
        await anext(messages)
    assert windows_in(await run(quick, task(tone)))


async def test_a_killed_engine_is_noticed_and_replaced(slow: EngineProcess, tone: Path) -> None:
    async with aclosing(slow.run(task(tone))) as messages:
        await anext(messages)
        assert slow.pid is not None
        psutil.Process(slow.pid).kill()
        with pytest.raises(Fault, match=faults.ENGINE_DIED):
            await _drain(messages)
    end = WindowStart(index=6, start_ms=59_900)
    assert isinstance((await run(slow, task(tone, begin=end)))[-1], Finished)


async def test_an_engine_killed_while_it_waited_is_replaced(quick: EngineProcess, tone: Path) -> None:
    await quick.make_ready()
    assert quick.pid is not None
    psutil.Process(quick.pid).kill()
    await until(lambda: quick.pid is None)
    assert isinstance((await run(quick, task(tone)))[-1], Finished)


async def test_an_engine_that_falls_silent_is_ended(tone: Path) -> None:
    engine = EngineProcess(SLOW, deadlines=Deadlines(silence_seconds=0.5))
    await engine.make_ready()
    assert engine.pid is not None
    process = psutil.Process(engine.pid)
    process.send_signal(signal.SIGSTOP)
    assert await fault_of(engine, task(tone)) == (faults.ENGINE_STALLED, False)
    assert not process.is_running()


async def test_after_enough_tasks_a_fresh_process_takes_over(tone: Path) -> None:
    engine = EngineProcess(QUICK, tasks_max=2)
    pids = []
    for _ in range(3):
        await run(engine, task(tone))
        pids.append(engine.pid)
    await engine.stop()
    assert pids[0] == pids[1] != pids[2]


async def test_a_model_that_is_large_from_the_start_is_not_loaded_again_and_again(tone: Path) -> None:
    engine = EngineProcess(QUICK, resident_bytes_max=1)
    await engine.make_ready()
    pids = [engine.pid]
    for _ in range(2):
        await run(engine, task(tone))
        await engine.make_ready()
        pids.append(engine.pid)
    await engine.stop()
    assert len(set(pids)) == 1


async def test_unreadable_media_is_a_permanent_fault_and_the_engine_stays(
    quick: EngineProcess, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("hello world\n" * 1_000)
    await quick.make_ready()
    pid = quick.pid
    assert await fault_of(quick, task(tmp_path / "text")) == (NotMedia.code, True)
    assert quick.pid == pid


async def test_more_sound_than_was_paid_for_is_not_heard_and_said_to_be_missing(
    quick: EngineProcess, tone: Path
) -> None:
    *windows, finished = await run(quick, task(tone, duration_seconds=5.0))
    assert isinstance(finished, Finished)
    end_ms = round(finished.decoded_seconds * 1000)
    assert 5_000 <= end_ms <= 5_000 + 1000 * tolerance_seconds(5.0)
    assert finished.damages == (Damage(start_ms=end_ms, end_ms=end_ms),)
    assert windows_in(windows)[-1].end_ms == end_ms


async def test_a_language_the_model_does_not_know_is_a_permanent_fault(tone: Path) -> None:
    engine = EngineProcess(EngineChoice(kind="faster-whisper", model="tiny.en"))
    fault = await fault_of(engine, task(tone, language="de"))
    await engine.stop()
    assert fault == ("language_unsupported", True)


async def test_a_model_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    engine = EngineProcess(EngineChoice(kind="faster-whisper", model=str(tmp_path)))
    with pytest.raises(InvalidSetting, match="STENOLOG_MODEL"):
        await engine.make_ready()
    assert engine.pid is None


async def test_what_an_engine_complains_about_is_logged(
    quick: EngineProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(Fault):
        await run(quick, task(tmp_path / "missing"))
    await quick.stop()
    assert "FileNotFoundError" in caplog.text


async def test_an_engine_does_not_outlive_a_killed_worker(tone: Path) -> None:
    """The worker starts an engine, says its pid, and is killed in the middle of a task."""
    script = """
import asyncio, sys, msgspec
from inference_worker.child_messages import Task
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice

async def main():
    engine = EngineProcess(EngineChoice(kind="scripted", speed=1.0))
    async for _ in engine.run(msgspec.json.decode(sys.argv[1], type=Task)):
        print(engine.pid, flush=True)

asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        _json(task(tone)),
        stdout=asyncio.subprocess.PIPE,
        env=child_environment(),
    )
    assert worker.stdout is not None
    async with asyncio.timeout(20):
        engine = psutil.Process(int(await worker.stdout.readline()))
    decoders = engine.children(recursive=True)
    assert len(decoders) == 2  # and what they are forked from
    worker.kill()
    await worker.wait()
    await until(lambda: not any(psutil.pid_exists(each.pid) for each in [engine, *decoders]))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _drain(messages: AsyncIterator[ChildMessage]) -> None:
    async for _ in messages:
        pass


def _json(asked: Task) -> str:
    return msgspec.json.encode(asked).decode()
