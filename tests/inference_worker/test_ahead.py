"""The next recording is fetched and decoded while the engine is busy, and waits for its turn without having begun."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from domain.attempts import MOVED
from domain.transcription_events import Job, TranscriptionAttemptFailed
from inference_worker.child_messages import ChildMessage, Finished, Task
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.job import Workplace, carry_out
from inference_worker.pace import AHEAD_SECONDS, Pace
from inference_worker.turns import AT_ONCE, SlotTurn, Turn
from schemas.messages import AttemptSucceeded, ProgressReported, WorkerReady
from tests.builders import ANNA, NOON, TRANSCRIPTION, WORKER, identity
from tests.inference_worker.assignments import assigned, store_tone
from tests.inference_worker.fake_engine import FakeEngine
from tests.inference_worker.test_job import Told
from tests.inference_worker.test_worker import Running, at_work, windows_left
from tests.inference_worker.waiting import until

OTHER = identity("another transcription")
BRISK = EngineChoice(kind="scripted", speed=30.0)
SLOW = EngineChoice(kind="scripted", speed=2.0)


@pytest.fixture
async def job(place: Workplace, tmp_path: Path) -> Job:
    return await store_tone(place.store, tmp_path, seconds=60.0)


class GatedEngine(FakeEngine):
    """Has finished when it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()

    async def run(self, task: Task, turn: Turn = AT_ONCE) -> AsyncGenerator[ChildMessage, None]:
        async with aclosing(super().run(task, turn)) as messages:
            async for message in messages:
                if isinstance(message, Finished):
                    await self.may_go_on.wait()
                yield message


def last_said(running: Running) -> WorkerReady:
    return running.outbox.of(WorkerReady)[-1]


async def both_in_hand(running: Running, job: Job) -> None:
    """The first has the only slot, and the second waits."""
    running.inbox.put(assigned(job))
    await running.until(lambda: last_said(running).running == ((TRANSCRIPTION, 1),))
    running.inbox.put(assigned(job, transcription_id=OTHER))
    await running.until(lambda: last_said(running).waiting == ((OTHER, 1),))


def moved(attempt: int = 1) -> TranscriptionAttemptFailed:
    return TranscriptionAttemptFailed(
        transcription_id=OTHER,
        user_id=ANNA,
        attempt=attempt,
        worker_id=WORKER,
        reason=MOVED,
        failed_at=NOON,
    )


async def test_the_next_recording_is_in_the_engine_before_its_turn(place: Workplace, job: Job) -> None:
    engine = GatedEngine()
    async with at_work(place, engine) as running:
        await both_in_hand(running, job)
        await running.until(lambda: len(engine.tasks) == 2)
        assert last_said(running).running == ((TRANSCRIPTION, 1), (OTHER, 1))
        engine.may_go_on.set()
        await running.until(lambda: len(running.outbox.of(AttemptSucceeded)) == 2)
        assert [each.transcription_id for each in running.outbox.of(AttemptSucceeded)] == [
            TRANSCRIPTION,
            OTHER,
        ]
        assert engine.windows == 2 * list(range(6))


async def test_what_waits_is_decoded_and_no_more(place: Workplace, job: Job) -> None:
    engine = EngineProcess(SLOW)
    async with at_work(place, engine) as running:
        await both_in_hand(running, job)
        process = psutil.Process(engine.pid)
        await until(
            lambda: len(process.children(recursive=True)) == 3
        )  # two decoders and what they are forked from
        await running.until(
            lambda: any(each.done_seconds > 5.0 for each in running.outbox.of(ProgressReported))
        )
        told = [each for each in running.outbox.of(ProgressReported) if each.transcription_id == OTHER]
        assert {each.done_seconds for each in told} <= {0.0}


async def test_time_in_line_is_no_time_of_work(place: Workplace, job: Job) -> None:
    engine = GatedEngine()
    async with at_work(place, engine) as running:
        began_at = time.monotonic()
        await both_in_hand(running, job)
        await running.until(lambda: len(engine.tasks) == 2)
        in_line_since = time.monotonic()
        await until(lambda: time.monotonic() - in_line_since > 0.3)
        in_line_seconds = time.monotonic() - in_line_since
        engine.may_go_on.set()
        await running.until(lambda: len(running.outbox.of(AttemptSucceeded)) == 2)
        worked_seconds = running.outbox.of(AttemptSucceeded)[1].result.processing_seconds
        assert worked_seconds <= time.monotonic() - began_at - in_line_seconds


async def test_what_waits_and_is_moved_elsewhere_is_put_down(place: Workplace, job: Job) -> None:
    engine = GatedEngine()
    async with at_work(place, engine) as running:
        await both_in_hand(running, job)
        running.inbox.put(moved())
        await running.until(lambda: last_said(running).running == ((TRANSCRIPTION, 1),))
        engine.may_go_on.set()
        await running.until(lambda: last_said(running).running == ())
        assert [each.transcription_id for each in running.outbox.of(AttemptSucceeded)] == [TRANSCRIPTION]
        running.inbox.put(assigned(job, 3, transcription_id=OTHER))
        assert (await running.outcome(3)).transcription_id == OTHER


async def test_the_windows_of_what_is_moved_are_left_to_who_goes_on(place: Workplace, job: Job) -> None:
    started = assigned(job, transcription_id=OTHER)
    async with at_work(place, EngineProcess(replace(SLOW, speed=15.0))) as running:
        running.inbox.put(started)
        async with asyncio.timeout(20):
            while not (left := await windows_left(place, started)):
                await asyncio.sleep(0.01)
        running.inbox.put(moved())
        await running.until(lambda: last_said(running).running == ())
        assert await windows_left(place, started) >= left


async def test_an_attempt_that_failed_elsewhere_ends_no_newer_one(place: Workplace, job: Job) -> None:
    engine = GatedEngine()
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job, 2, transcription_id=OTHER))
        await running.until(lambda: engine.tasks)
        running.inbox.put(moved(1))
        engine.may_go_on.set()
        assert isinstance(await running.outcome(2), AttemptSucceeded)


async def test_a_worker_that_is_nearly_done_takes_one_ahead(place: Workplace, job: Job) -> None:
    async with at_work(place, EngineProcess(replace(SLOW, speed=1.0))) as running:
        running.inbox.put(assigned(job))
        await running.until(lambda: last_said(running).running)
        assert last_said(running).ahead == 0
        short = replace(job, duration_seconds=AHEAD_SECONDS)
        running.inbox.put(assigned(short, 2))
        await running.until(lambda: last_said(running).running == ((TRANSCRIPTION, 2),))
        await running.until(lambda: last_said(running).ahead == 1)


async def test_what_waits_when_its_engine_is_killed_is_not_to_blame(place: Workplace, job: Job) -> None:
    engine, slots = EngineProcess(BRISK), asyncio.Semaphore(0)
    turn = SlotTurn(slots, lambda: None)
    waiting = asyncio.create_task(carry_out(assigned(job), engine, place, Told(), turn))
    await engine.make_ready()
    process = psutil.Process(engine.pid)
    await until(lambda: len(process.children(recursive=True)) == 2)  # a decoder and what it is forked from
    process.kill()
    await until(lambda: engine.pid is None)
    slots.release()
    assert (await waiting).word_count > 100
    await engine.stop()


async def test_a_turn_comes_once_in_order_and_is_given_back_once() -> None:
    slots = asyncio.Semaphore(1)
    came: list[str] = []
    turns = [SlotTurn(slots, partial(came.append, name)) for name in "abc"]
    asked = [asyncio.create_task(turn.comes()) for turn in turns]
    await until(lambda: came == ["a"])
    asked[1].cancel()
    turns[1].ends()
    assert not turns[2].is_here
    turns[0].ends()
    turns[0].ends()
    await asked[2]
    assert came == ["a", "c"]
    await turns[2].comes()
    assert slots.locked()


def test_a_worker_of_which_nothing_is_known_is_held_to_be_as_fast_as_speech() -> None:
    pace = Pace()
    assert pace.is_nearly_done(AHEAD_SECONDS)
    assert not pace.is_nearly_done(AHEAD_SECONDS + 1)
    pace.learn(sound_seconds=60.0, taken_seconds=6.0)
    assert pace.is_nearly_done(10 * AHEAD_SECONDS)
    pace.learn(sound_seconds=0.0, taken_seconds=1.0)
    assert pace.is_nearly_done(10 * AHEAD_SECONDS)
