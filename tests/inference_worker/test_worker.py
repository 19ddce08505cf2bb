"""A worker does what it is assigned, says how it goes, and stops when it is told to."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil
import pytest

from domain.attempts import WORKER_STOPPED
from domain.languages import Abilities
from domain.media_errors import NotMedia
from domain.transcript import MediaWarning
from domain.transcription_events import Job, TranscriptionStarted
from inference_worker import faults
from inference_worker.child_messages import ChildMessage, Heard, Task
from inference_worker.engine_process import EngineProcess
from inference_worker.engine_server import EngineUnavailable
from inference_worker.engines.choice import EngineChoice
from inference_worker.job import Workplace
from inference_worker.ports import Assignment, RunningEngine
from inference_worker.turns import AT_ONCE, Turn
from inference_worker.worker import OUTCOME_SECONDS_MAX, Worker
from infrastructure.kafka.failures import KafkaUnreachable
from schemas.messages import (
    AttemptFaulted,
    AttemptSucceeded,
    ProgressReported,
    Report,
    WorkerGone,
    WorkerLeaving,
    WorkerReady,
)
from schemas.objects import decode_transcript
from tests.builders import TRANSCRIPTION, WORKER, identity
from tests.inference_worker.assignments import assigned, store_media, store_tone, withdrawn
from tests.inference_worker.fake_engine import FakeEngine
from tests.inference_worker.waiting import until

QUICK = EngineChoice(kind="scripted", speed=1000.0)
SLOW = EngineChoice(kind="scripted", speed=2.0)
OTHER = identity("another transcription")

Kind = TypeVar("Kind", bound=Report)


class Inbox:
    """Assignments, one after the other, for as long as somebody listens."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Assignment] = asyncio.Queue()

    def put(self, assignment: Assignment) -> None:
        self._queue.put_nowait(assignment)

    async def __aiter__(self) -> AsyncIterator[Assignment]:
        while True:
            yield await self._queue.get()


class Outbox:
    """Keeps what was reported; loses the next `losses` reports."""

    def __init__(self) -> None:
        self.sent: list[Report] = []
        self.losses = 0

    async def send(self, report: Report) -> None:
        await asyncio.sleep(0)
        if self.losses and not isinstance(report, WorkerReady):
            self.losses -= 1
            raise KafkaUnreachable("lost on purpose")
        self.sent.append(report)

    def of(self, kind: type[Kind]) -> Sequence[Kind]:
        return [report for report in self.sent if isinstance(report, kind)]


class Running:
    """A worker at work, and both ends of its conversation."""

    def __init__(self, worker: Worker, inbox: Inbox, outbox: Outbox) -> None:
        self.worker = worker
        self.inbox = inbox
        self.outbox = outbox
        self.task = asyncio.create_task(worker.run())

    async def until(self, condition: Callable[[], object], *, seconds: float = 20.0) -> None:
        """Fails at once, with the worker's own error, when it has died."""

        def come_true() -> bool:
            if self.task.done():
                self.task.result()
            return bool(condition())

        await until(come_true, seconds=seconds)

    async def outcome(self, attempt: int = 1) -> AttemptSucceeded | AttemptFaulted:
        def outcomes() -> list[AttemptSucceeded | AttemptFaulted]:
            return [
                report
                for report in self.outbox.sent
                if isinstance(report, AttemptSucceeded | AttemptFaulted) and report.attempt == attempt
            ]

        await self.until(outcomes)
        (only,) = outcomes()
        return only

    def in_hand(self) -> Sequence[object]:
        return self.outbox.of(WorkerReady)[-1].running

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.worker.leave()


@asynccontextmanager
async def at_work(
    place: Workplace,
    engine: RunningEngine,
    *,
    slots: int = 1,
    ready_interval_seconds: float = 60.0,
    outcome_seconds_max: float = OUTCOME_SECONDS_MAX,
) -> AsyncIterator[Running]:
    """A worker with this engine, from its first WorkerReady on."""
    inbox, outbox = Inbox(), Outbox()
    worker = Worker(
        worker_id=WORKER,
        assignments=inbox,
        reports=outbox,
        engine=engine,
        slots=slots,
        place=place,
        ready_interval_seconds=ready_interval_seconds,
        outcome_seconds_max=outcome_seconds_max,
    )
    running = Running(worker, inbox, outbox)
    try:
        await running.until(lambda: outbox.of(WorkerReady))
        yield running
    finally:
        await running.stop()


@pytest.fixture
async def job(place: Workplace, tmp_path: Path) -> Job:
    return await store_tone(place.store, tmp_path, seconds=60.0)


async def windows_left(place: Workplace, started: TranscriptionStarted) -> int:
    return len([each async for each in place.checkpoints(started, "scripted").finished()])


async def test_a_worker_is_ready_only_when_its_engines_are(place: Workplace) -> None:
    engine = EngineProcess(QUICK)
    async with at_work(place, engine) as running:
        (ready,) = running.outbox.of(WorkerReady)
        assert engine.pid is not None
        assert ready == WorkerReady(worker_id=WORKER, engine="scripted", slots=1, running=())


async def test_a_worker_says_again_and_again_that_it_is_there(place: Workplace) -> None:
    async with at_work(place, FakeEngine(), ready_interval_seconds=0.05) as running:
        await running.until(lambda: len(running.outbox.of(WorkerReady)) >= 3)


async def test_an_assignment_ends_in_a_stored_transcript(place: Workplace, job: Job) -> None:
    async with at_work(place, EngineProcess(QUICK)) as running:
        running.inbox.put(assigned(job))
        outcome = await running.outcome()
        assert isinstance(outcome, AttemptSucceeded)
        transcript = decode_transcript(await place.store.get(outcome.result.transcript_key))
        assert transcript.word_count == outcome.result.word_count > 100
        await running.until(lambda: running.in_hand() == ())
        assert await windows_left(place, assigned(job)) == 0


async def test_an_attempt_in_hand_is_named_while_it_runs(place: Workplace, job: Job) -> None:
    async with at_work(place, EngineProcess(SLOW)) as running:
        running.inbox.put(assigned(job))
        await running.until(lambda: running.in_hand() == ((TRANSCRIPTION, 1),))


async def test_progress_is_told_while_it_runs_and_never_goes_back(place: Workplace, job: Job) -> None:
    async with at_work(place, EngineProcess(EngineChoice(kind="scripted", speed=30.0))) as running:
        running.inbox.put(assigned(job))
        assert isinstance(await running.outcome(), AttemptSucceeded)
        done = [report.done_seconds for report in running.outbox.of(ProgressReported)]
        assert done == sorted(done)
        assert len(set(done)) > 2
        assert {report.total_seconds for report in running.outbox.of(ProgressReported)} == {60.0}
        assert isinstance(running.outbox.sent[-1], AttemptSucceeded | WorkerReady)


class SilentEngine(FakeEngine):
    """Says where it begins, and then nothing until it is let go on."""

    def __init__(self) -> None:
        super().__init__(window_ms=30_000)
        self.may_go_on = asyncio.Event()

    async def run(self, task: Task, turn: Turn = AT_ONCE) -> AsyncGenerator[ChildMessage, None]:
        await turn.comes()
        yield Heard(position_ms=0, end_ms=30_000)
        await self.may_go_on.wait()
        async for message in super().run(task, turn):
            yield message


class StuckEngine(FakeEngine):
    """Never gets to hear anything."""

    async def run(self, task: Task, turn: Turn = AT_ONCE) -> AsyncGenerator[ChildMessage, None]:
        await turn.comes()
        await asyncio.Event().wait()
        async for message in super().run(task, turn):
            yield message


async def test_progress_moves_on_while_the_engine_is_silent_about_a_window(
    place: Workplace, job: Job
) -> None:
    engine = SilentEngine()
    async with at_work(place, engine) as running:

        def done() -> list[float]:
            return [report.done_seconds for report in running.outbox.of(ProgressReported)]

        running.inbox.put(assigned(job))
        await running.until(lambda: len(set(done())) >= 5)
        assert 0.0 < max(done()) < 30.0
        engine.may_go_on.set()
        assert isinstance(await running.outcome(), AttemptSucceeded)
        assert done() == sorted(done())


async def test_a_lease_is_renewed_while_nothing_advances(place: Workplace, job: Job) -> None:
    async with at_work(place, StuckEngine()) as running:
        running.inbox.put(assigned(job))
        await running.until(lambda: len(running.outbox.of(ProgressReported)) >= 2, seconds=6.0)
        assert {report.done_seconds for report in running.outbox.of(ProgressReported)} == {0.0}


async def test_a_cancelled_attempt_stops_within_two_seconds_and_reports_nothing(
    place: Workplace, job: Job
) -> None:
    engine = EngineProcess(SLOW)
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job))
        await running.until(lambda: running.outbox.of(ProgressReported))
        assert engine.pid is not None
        process = psutil.Process(engine.pid)
        await until(lambda: len(process.children(recursive=True)) == 2)
        decoders = process.children(recursive=True)[1:]  # the first is what they are forked from
        running.inbox.put(withdrawn())
        await until(lambda: not any(each.is_running() for each in decoders), seconds=2.0)
        await running.until(lambda: running.in_hand() == ())
        assert not running.outbox.of(AttemptSucceeded)
        assert not running.outbox.of(AttemptFaulted)


async def test_after_a_cancelled_attempt_the_next_one_runs(place: Workplace, job: Job) -> None:
    async with at_work(place, EngineProcess(EngineChoice(kind="scripted", speed=30.0))) as running:
        running.inbox.put(assigned(job))
        await running.until(lambda: running.outbox.of(ProgressReported))
        running.inbox.put(withdrawn())
        running.inbox.put(assigned(job, transcription_id=OTHER))
        outcome = await running.outcome()
        assert (type(outcome), outcome.transcription_id) == (AttemptSucceeded, OTHER)


async def test_a_cancelled_attempt_leaves_no_windows(place: Workplace, job: Job) -> None:
    started = assigned(job)
    async with at_work(place, EngineProcess(EngineChoice(kind="scripted", speed=15.0))) as running:
        running.inbox.put(started)
        async with asyncio.timeout(20):
            while not await windows_left(place, started):
                await asyncio.sleep(0.01)
        running.inbox.put(withdrawn())
        await running.until(lambda: running.in_hand() == ())
        assert await windows_left(place, started) == 0


async def test_an_attempt_cancelled_before_its_turn_never_begins(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job))
        running.inbox.put(withdrawn())
        running.inbox.put(assigned(job, transcription_id=OTHER))
        assert (await running.outcome()).transcription_id == OTHER
        assert len(engine.tasks) == 1


async def test_an_assignment_that_comes_twice_is_done_once(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job))
        running.inbox.put(assigned(job))
        await running.outcome()
        running.inbox.put(assigned(job))
        running.inbox.put(assigned(job, transcription_id=OTHER))
        await running.until(lambda: len(running.outbox.of(AttemptSucceeded)) == 2)
        assert len(engine.tasks) == 2


async def test_a_newer_attempt_replaces_an_older_one(place: Workplace, job: Job) -> None:
    async with at_work(place, EngineProcess(EngineChoice(kind="scripted", speed=20.0))) as running:
        running.inbox.put(assigned(job, 1))
        await running.until(lambda: running.outbox.of(ProgressReported))
        running.inbox.put(assigned(job, 2))
        assert isinstance(await running.outcome(2), AttemptSucceeded)
        assert [report.attempt for report in running.outbox.of(AttemptSucceeded)] == [2]
        assert not running.outbox.of(AttemptFaulted)


async def test_an_older_attempt_that_comes_late_is_ignored(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job, 2))
        running.inbox.put(assigned(job, 1))
        running.inbox.put(assigned(job, transcription_id=OTHER))
        await running.until(lambda: len(running.outbox.of(AttemptSucceeded)) == 2)
        assert len(engine.tasks) == 2


async def test_two_slots_work_at_once(place: Workplace, job: Job) -> None:
    async with at_work(place, EngineProcess(SLOW), slots=2) as running:
        running.inbox.put(assigned(job))
        running.inbox.put(assigned(job, transcription_id=OTHER))
        await running.until(
            lambda: (
                {
                    report.transcription_id
                    for report in running.outbox.of(ProgressReported)
                    if report.done_seconds > 0
                }
                == {TRANSCRIPTION, OTHER}
            )
        )
        assert running.outbox.of(WorkerReady)[-1].slots == 2


async def test_a_killed_engine_is_a_transient_fault_and_the_next_job_works(
    place: Workplace, job: Job
) -> None:
    engine = EngineProcess(EngineChoice(kind="scripted", speed=30.0))
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job))
        await running.until(lambda: running.outbox.of(ProgressReported))
        assert engine.pid is not None
        psutil.Process(engine.pid).kill()
        outcome = await running.outcome(1)
        assert isinstance(outcome, AttemptFaulted)
        assert (outcome.reason, outcome.permanent) == (faults.ENGINE_DIED, False)
        running.inbox.put(assigned(job, 2))
        assert isinstance(await running.outcome(2), AttemptSucceeded)


async def test_unreadable_media_is_a_permanent_fault(place: Workplace) -> None:
    text = await store_media(place.store, b"hello world\n" * 1_000, duration_seconds=60.0)
    async with at_work(place, EngineProcess(QUICK)) as running:
        running.inbox.put(assigned(text))
        outcome = await running.outcome()
        assert isinstance(outcome, AttemptFaulted)
        assert (outcome.reason, outcome.permanent) == (NotMedia.code, True)


async def test_a_recording_cut_off_in_the_middle_is_transcribed_up_to_there(
    place: Workplace, job: Job
) -> None:
    longer = msgspec.structs.replace(job, duration_seconds=120.0)
    async with at_work(place, EngineProcess(QUICK)) as running:
        running.inbox.put(assigned(longer))
        outcome = await running.outcome()
        assert isinstance(outcome, AttemptSucceeded)
        assert outcome.result.duration_seconds == 60.0
        assert outcome.result.warnings == (MediaWarning(from_seconds=60.0, to_seconds=120.0),)
        transcript = decode_transcript(await place.store.get(outcome.result.transcript_key))
        assert 59_000 < max(word.end_ms for word in transcript.words) <= 60_000


async def test_every_finished_window_is_reported_once_and_again_after_a_loss(
    place: Workplace, job: Job
) -> None:
    async with at_work(place, EngineProcess(EngineChoice(kind="scripted", speed=30.0))) as running:
        running.outbox.losses = 2
        running.inbox.put(assigned(job))
        assert isinstance(await running.outcome(), AttemptSucceeded)
        told = [each for report in running.outbox.of(ProgressReported) for each in report.windows]
        assert [each.index for each in told] == list(range(len(told)))
        assert len(told) >= 4


async def test_a_surprise_fails_the_attempt_but_not_the_worker(place: Workplace, job: Job) -> None:
    engine = FakeEngine(fails_before=0, fault=ZeroDivisionError("a surprise"))
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job))
        outcome = await running.outcome()
        assert isinstance(outcome, AttemptFaulted)
        assert (outcome.reason, outcome.permanent) == (faults.WORKER_FAILED, False)
        engine.fails_before = None
        running.inbox.put(assigned(job, 2))
        assert isinstance(await running.outcome(2), AttemptSucceeded)


async def test_an_outcome_that_was_lost_is_sent_again(place: Workplace, job: Job) -> None:
    async with at_work(place, FakeEngine()) as running:
        running.outbox.losses = 2
        running.inbox.put(assigned(job))
        assert isinstance(await running.outcome(), AttemptSucceeded)
        assert running.outbox.losses == 0


async def test_what_nobody_could_be_told_of_is_not_heard_a_second_time(place: Workplace, job: Job) -> None:
    engine = FakeEngine()
    async with at_work(place, engine, outcome_seconds_max=0.2) as running:
        running.outbox.losses = 1_000_000
        running.inbox.put(assigned(job))
        await running.until(running.in_hand)
        await running.until(lambda: running.in_hand() == ())
        running.outbox.losses = 0
        running.inbox.put(assigned(job, 2))
        assert isinstance(await running.outcome(2), AttemptSucceeded)
        assert engine.windows == list(range(6))


async def test_a_worker_whose_engine_cannot_be_ended_says_goodbye_all_the_same(place: Workplace) -> None:
    class Immortal(FakeEngine):
        async def stop(self) -> None:
            raise TimeoutError

    async with at_work(place, Immortal()) as running:
        assert running.outbox.of(WorkerReady)
    assert [type(each) for each in running.outbox.sent[-2:]] == [WorkerLeaving, WorkerGone]


async def test_a_worker_that_stops_hands_its_attempts_over_at_once(place: Workplace, job: Job) -> None:
    engine = EngineProcess(SLOW)
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job))
        running.inbox.put(assigned(job, transcription_id=OTHER))
        await running.until(lambda: running.outbox.of(ProgressReported))
        stopped_at = time.monotonic()
        await running.stop()
        assert time.monotonic() - stopped_at < 10.0
        leaving, *handed_over, gone = running.outbox.sent[-4:]
        assert isinstance(leaving, WorkerLeaving)
        assert isinstance(gone, WorkerGone)
        assert {(each.transcription_id, each.reason, each.permanent) for each in handed_over} == {  # type: ignore[union-attr]  # else it fails, as it should
            (TRANSCRIPTION, WORKER_STOPPED, False),
            (OTHER, WORKER_STOPPED, False),
        }
        assert engine.pid is None
        assert list(place.scratch.iterdir()) == []


async def test_a_worker_whose_engine_cannot_start_does_not_say_it_is_ready(place: Workplace) -> None:
    class Unavailable(FakeEngine):
        async def make_ready(self) -> None:
            raise EngineUnavailable("no model")

    with pytest.raises(EngineUnavailable):
        async with at_work(place, Unavailable()):
            pass


async def test_an_english_model_that_was_told_no_language_says_that_it_assumed_it(
    place: Workplace, job: Job
) -> None:
    engine = FakeEngine()
    engine.abilities = Abilities(languages=("en",), translates=False)
    async with at_work(place, engine) as running:
        running.inbox.put(assigned(job))
        outcome = await running.outcome()
        assert isinstance(outcome, AttemptSucceeded)
        assumed = (MediaWarning(code="language_assumed", from_seconds=0.0, to_seconds=60.0),)
        transcript = decode_transcript(await place.store.get(outcome.result.transcript_key))
        assert transcript.warnings == outcome.result.warnings == assumed


async def test_the_real_engine_transcribes_the_sample(place: Workplace) -> None:
    sample = Path(__file__).parents[2] / "samples" / "speech.ogg"
    job = await store_media(place.store, sample.read_bytes(), duration_seconds=74.91)
    whisper = EngineProcess(EngineChoice(kind="faster-whisper", model="tiny.en"))
    async with at_work(msgspec.structs.replace(place, window_seconds=None), whisper) as running:
        running.inbox.put(assigned(job))
        await running.until(lambda: running.outbox.of(AttemptSucceeded), seconds=60.0)
        (outcome,) = running.outbox.of(AttemptSucceeded)
        transcript = decode_transcript(await place.store.get(outcome.result.transcript_key))
        assert "fishing village" in transcript.text
        assert transcript.word_count == pytest.approx(294, rel=0.05)
