"""A worker: takes assignments, carries out as many at once as it has slots, and reports."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection
from typing import Final
from uuid import UUID

from domain.attempts import OBJECT_STORE_AWAY, WORKER_DISK_FULL, WORKER_STOPPED
from domain.ports import ObjectStoreUnavailable
from domain.transcription_events import (
    AlignmentStarted,
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionStarted,
)
from inference_worker import faults
from inference_worker.aligner import Aligner
from inference_worker.attempts import Attempt, Attempts
from inference_worker.faults import Fault, ScratchFull
from inference_worker.job import Workplace, carry_out
from inference_worker.pace import Pace
from inference_worker.ports import Assignments, Reports, RunningEngine
from inference_worker.reporting import fault_of, progress_of, readiness_of, success_of
from inference_worker.room import Room
from inference_worker.turns import SlotTurn
from infrastructure.kafka.failures import KafkaUnreachable
from infrastructure.mendable import Mendable
from schemas.messages import (
    AttemptFaulted,
    Report,
    WorkerGone,
    WorkerLeaving,
)

PROGRESS_SECONDS: Final = 0.5
SETTLE_SECONDS: Final = 0.02
"""A change is seldom the only one: an attempt that ends lets another begin. Nobody waits for the word of it, since an outcome
says as well that a slot is free."""
OUTCOME_SECONDS_MAX: Final = 600.0
"""How long an outcome is worth sending: an attempt is minutes of work."""
FAREWELL_SECONDS: Final = 5.0
AHEAD_MAX: Final = 1
"""Recordings that are prepared while all slots are busy."""

log = logging.getLogger(__name__)


class Worker:
    """`run` it until it is cancelled; then `leave`. `killed` are workers that are known to be dead."""

    def __init__(
        self,
        *,
        worker_id: UUID,
        assignments: Assignments,
        reports: Reports,
        engine: RunningEngine,
        slots: int,
        place: Workplace,
        ready_interval_seconds: float,
        killed: Collection[UUID] = (),
        outcome_seconds_max: float = OUTCOME_SECONDS_MAX,
    ) -> None:
        self._worker_id = worker_id
        self._assignments = assignments
        self._reports = reports
        self._engine = engine
        self._slots = slots
        self._place = place
        self._ready_interval_seconds = ready_interval_seconds
        self._killed = killed
        self._outcome_seconds_max = outcome_seconds_max
        self._attempts = Attempts()
        self._turns = asyncio.Semaphore(slots)
        self._pace = Pace()
        self._ahead_told = 0
        self._waiting: asyncio.Queue[Attempt] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._room = Room()
        self._aligner = Aligner(
            worker_id,
            engine,
            place,
            attempts=self._attempts,
            tell=self._tell,
            changed=self._changed.set,
        )

    async def run(self) -> None:
        """Raises EngineUnavailable or InvalidSetting when an engine cannot be started, or cannot go on."""
        for worker_id in self._killed:
            await self._tell(WorkerGone(worker_id=worker_id))
        await self._engine.make_ready()
        log.info("worker %s is ready with %s", self._worker_id, self._engine.name)
        if self._engine.abilities.only_english:
            log.warning("the model of %s knows English only", self._engine.name)
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._announce())
            parts.create_task(self._listen())
            parts.create_task(self._tell_progress())
            parts.create_task(self._aligner.run())
            for _ in range(self._slots + AHEAD_MAX):
                parts.create_task(self._serve())

    async def leave(self) -> None:
        """After `run`: ends the engine and tells the dispatcher, so that others take over at once."""
        try:
            await self._engine.stop()
        except TimeoutError:
            # A process that hangs in a driver dies when it pleases; that is no reason to leave without a word.
            log.warning("the engine of worker %s does not end", self._worker_id)
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._reports.send(WorkerLeaving(worker_id=self._worker_id))
                for attempt in self._attempts:
                    if not attempt.dropped:
                        stopped = fault_of(attempt, self._worker_id, Fault(WORKER_STOPPED))
                        await self._reports.send(attempt.outcome or stopped)
                await self._reports.send(WorkerGone(worker_id=self._worker_id))
        except (TimeoutError, KafkaUnreachable):
            log.warning("worker %s left without a word; its leases will run out", self._worker_id)

    async def _announce(self) -> None:
        """Says that the worker is there, every few seconds and at each change."""
        while True:
            self._changed.clear()
            self._ahead_told = self._places_ahead()
            room = self._open_slots(), self._ahead_told
            aligning = self._aligner.transcription_id
            ready = readiness_of(self._engine, self._worker_id, self._attempts, *room, aligning=aligning)
            await self._tell(ready)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ready_interval_seconds):
                    await self._changed.wait()
                    await asyncio.sleep(SETTLE_SECONDS)

    def _open_slots(self) -> int:
        """Those that are busy count as well. None is free while the disk is full."""
        if self._room.is_closed(time.monotonic()):
            return min(self._slots, sum(1 for _ in self._attempts))
        return self._slots

    def _places_ahead(self) -> int:
        """For recordings that may be sent although no slot is free, because one is about to be."""
        begun = [attempt for attempt in self._attempts if attempt.has_begun]
        if self._room.is_closed(time.monotonic()) or len(begun) < self._slots:
            return 0
        return AHEAD_MAX if any(self._pace.is_nearly_done(each.seconds_left) for each in begun) else 0

    async def _listen(self) -> None:
        async for assignment in self._assignments:
            match assignment:
                case TranscriptionStarted():
                    self._take(assignment)
                case TranscriptionAttemptFailed():
                    self._drop(assignment, resumed=True)
                case TranscriptionCancelled():
                    self._drop(assignment)
                case AlignmentStarted():
                    self._aligner.take(assignment)

    def _take(self, started: TranscriptionStarted) -> None:
        attempt = self._attempts.take(started)
        if attempt is not None:
            self._aligner.make_way()
            self._waiting.put_nowait(attempt)
            self._changed.set()

    def _drop(
        self, ended: TranscriptionAttemptFailed | TranscriptionCancelled, *, resumed: bool = False
    ) -> None:
        """Ends what others have ended; resumed is what they gave, or may give, to another worker."""
        attempt = self._attempts.find(ended.transcription_id)
        if attempt is not None and attempt.started.attempt <= ended.attempt:
            attempt.drop(resumed=resumed)

    async def _tell_progress(self) -> None:
        while True:
            await self._attempts.until_some()
            await asyncio.sleep(PROGRESS_SECONDS)
            for attempt in self._attempts:
                if attempt.has_news(time.monotonic()):
                    await self._tell_progress_of(attempt)
            if self._places_ahead() != self._ahead_told:
                self._changed.set()

    async def _tell_progress_of(self, attempt: Attempt) -> None:
        progress = progress_of(attempt, self._worker_id)
        if await self._tell(progress):
            attempt.windows_told(len(progress.windows))

    async def _serve(self) -> None:
        """An attempt at a time, for ever; one of those who do waits for a slot when all are busy."""
        while True:
            attempt = await self._waiting.get()
            if not attempt.dropped:
                await self._work_on(attempt)
            self._attempts.forget(attempt)
            self._changed.set()
            await self._engine.make_ready()

    async def _work_on(self, attempt: Attempt) -> None:
        """Carries the attempt out and reports its outcome; one that was dropped has none."""
        log.info("%s begins", attempt)
        turn = SlotTurn(self._turns, lambda: self._begin(attempt))
        try:
            # A scope that `drop` can end, in this very task: no second task, no race between two.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None) as scope:
                    attempt.work_in(scope)
                    attempt.outcome = await self._try(attempt, turn)
        finally:
            turn.ends()
        if attempt.outcome is None:
            log.info("%s was dropped", attempt)
        elif not await self._tell_outcome(attempt.outcome):
            log.warning("%s ended, and nobody could be told: its windows wait for the next one", attempt)
            return
        if self._is_over(attempt):
            await self._clear(attempt)

    def _begin(self, attempt: Attempt) -> None:
        attempt.begin(time.monotonic())
        self._changed.set()

    def _is_over(self, attempt: Attempt) -> bool:
        """Whether nobody will resume its windows: not a next attempt, nor the newer one that replaced it."""
        if attempt.is_resumed:
            return False
        if isinstance(attempt.outcome, AttemptFaulted) and not attempt.outcome.permanent:
            return False
        return self._attempts.find(attempt.started.transcription_id) is attempt

    async def _try(self, attempt: Attempt, turn: SlotTurn) -> Report:
        """Raises EngineUnavailable or InvalidSetting."""
        try:
            result = await carry_out(attempt.started, self._engine, self._place, attempt, turn)
        except Fault as fault:
            log.warning("%s failed: %s", attempt, fault.reason)
            return fault_of(attempt, self._worker_id, fault)
        except ScratchFull as problem:
            pause_seconds = self._room.close(time.monotonic())
            self._changed.set()
            log.warning(
                "%s is handed back: %s; no new job is taken for %.0f s", attempt, problem, pause_seconds
            )
            return fault_of(attempt, self._worker_id, Fault(WORKER_DISK_FULL))
        except ObjectStoreUnavailable as problem:
            log.warning("%s is handed back: %s", attempt, problem)
            return fault_of(attempt, self._worker_id, Fault(OBJECT_STORE_AWAY))
        except Mendable:
            # No attempt can succeed here until a person has been at it; `leave` hands this one back.
            raise
        except Exception:
            # Whatever else it was, it must not take the other attempts of this worker with it.
            log.exception("%s failed", attempt)
            return fault_of(attempt, self._worker_id, Fault(faults.WORKER_FAILED))
        now = time.monotonic()
        self._room.is_there(now)
        self._pace.learn(*attempt.taken(now))
        log.info("%s is done", attempt)
        return success_of(attempt, self._worker_id, result)

    async def _clear(self, attempt: Attempt) -> None:
        try:
            await self._place.checkpoints(attempt.started, self._engine.name).clear()
        except Exception:
            # The outcome is told, and what stays behind is only disk space.
            log.exception("the windows of %s were not cleared", attempt)

    async def _tell_outcome(self, outcome: Report) -> bool:
        """One that cannot be sent at all is made good by its lease: the next attempt finds all windows done."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._outcome_seconds_max):
                while not await self._tell(outcome):  # noqa: ASYNC110  # it waits for Kafka, not for an event
                    await asyncio.sleep(PROGRESS_SECONDS)
                return True
        return False

    async def _tell(self, report: Report) -> bool:
        try:
            await self._reports.send(report)
        except KafkaUnreachable as problem:
            log.warning("a %s was not sent: %s", type(report).__name__, problem)
            return False
        return True
