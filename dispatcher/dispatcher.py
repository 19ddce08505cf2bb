"""The dispatcher: takes reports, ends attempts nobody reports about, and gives queued jobs to free workers.

Every decision is an event decided on the transcription's own stream; queue, workers and leases only tell where to
look. Two dispatchers at once waste work, and do no harm.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Never
from uuid import UUID

from msgspec import Struct

from commands.fail_attempt import fail_attempt
from commands.start_transcription import start_transcription
from commands.turns import TooManyAtOnce
from dispatcher.hearing import Hearing
from dispatcher.pick import Assignment, pick
from dispatcher.ports import AttemptKey, DispatchTables, Lease, ReceivedReport, ReportFeed
from dispatcher.reports import ReportTaker, together
from domain.attempts import MOVED
from domain.errors import Rejection
from domain.log import Provenance
from domain.ports import Clock, EventStore, EventUnreadable, PartitionDetached
from domain.transcription_commands import FailAttempt
from infrastructure.waiting import Wait
from schemas.messages import Report, WorkerGone, WorkerReady

logger = logging.getLogger(__name__)

LEASE_EXPIRED: Final = "lease_expired"
ACTOR: Final = "dispatcher"
WORKERS_REMEMBERED_MAX: Final = 1_000


class DispatchLimits(Struct, frozen=True, kw_only=True):
    lease_seconds: float = 15.0
    """How long an attempt may go without a report."""
    silence_seconds_max: float = 6.0
    """How long after its last report a worker still counts as there."""
    return_seconds_max: float = 12.0
    """How long after an outage a worker that lives may need to be heard again: a try to send takes up to 10 s."""
    settle_seconds: float = 1.0
    """How long what was reported in our absence may take to arrive: its senders may be gone."""
    look_seconds: float = 1.0
    """How often to look when nothing woke the dispatcher."""
    pace_seconds: float = 0.02
    """How soon to look again when much wakes it: the first look is at once, and the next takes what has come since."""
    assignments_max: int = 64
    """At one look; the tables know of no more."""
    void_seconds: float = 5.0
    """How long to leave a job alone that the queue shows and the log refused: the queue lags behind."""
    pause_seconds: float = 0.5
    """After something was away."""


OpenReports = Callable[[], Awaitable[AbstractAsyncContextManager[ReportFeed]]]
"""Reports from where the dispatcher left off."""


class Dispatcher:
    """`outages` are the errors that pass by themselves."""

    def __init__(
        self,
        tables: DispatchTables,
        store: EventStore,
        clock: Clock,
        open_reports: OpenReports,
        *,
        limits: DispatchLimits | None = None,
        outages: tuple[type[Exception], ...] = (OSError,),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tables = tables
        self._store = store
        self._clock = clock
        self._open_reports = open_reports
        self._limits = limits or DispatchLimits()
        self._outages: tuple[type[Exception], ...] = (*outages, TooManyAtOnce)
        self._monotonic = monotonic
        self._taker = ReportTaker(
            tables, store, clock, self._limits.lease_seconds, self._outages, monotonic=monotonic
        )
        self._woken = asyncio.Event()
        self._expire_at = 0.0
        """Leases run out seldom, and for the dispatcher to be woken is no reason to look for that."""
        self._said: dict[UUID, WorkerReady] = {}
        self._void_until: dict[UUID, float] = {}

    def wake(self) -> None:
        """There may be something to do: the queue has changed."""
        self._woken.set()

    async def run(self) -> Never:
        """Until cancelled; may be run again."""
        hearing = Hearing(
            self._limits.silence_seconds_max,
            min(self._limits.return_seconds_max, self._limits.lease_seconds),
            self._monotonic,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(hearing), name="taking reports")
            tasks.create_task(self._look(hearing), name="assigning jobs")
        raise AssertionError("neither task ends without an error")

    async def _listen(self, hearing: Hearing) -> Never:
        needs = Wait("what taking reports needs")
        while True:
            try:
                async with await self._open_reports() as reports:
                    while True:
                        await self._take(await reports.next_batch(self._limits.look_seconds), hearing)
                        needs.is_over()
            except self._outages as problem:
                # Opened again where the offsets say, so that nothing is passed over.
                needs.goes_on(type(problem).__name__)
                await asyncio.sleep(self._limits.pause_seconds)

    async def _take(self, batch: Sequence[ReceivedReport], hearing: Hearing) -> None:
        if batch:
            await self._taker.take(batch)
            hearing.hear()
            if any(isinstance(report, WorkerGone) for *_, report in batch):
                self._expire_at = 0.0
            if sum(
                self._is_news(report) for *_, report in batch
            ):  # Of all of them, not only up to the first.
                self.wake()

    def _is_news(self, report: Report) -> bool:
        """Most of the time a worker only says that it is still there."""
        if not isinstance(report, WorkerReady):
            return True
        if len(self._said) > WORKERS_REMEMBERED_MAX:
            self._said.clear()
        before, self._said[report.worker_id] = self._said.get(report.worker_id), report
        return report != before

    async def _look(self, hearing: Hearing) -> Never:
        needs = Wait("what assigning jobs needs")
        while True:
            began = self._monotonic()
            try:
                await self._look_once(hearing)
                needs.is_over()
            except self._outages as problem:
                needs.goes_on(type(problem).__name__)
                await asyncio.sleep(self._limits.pause_seconds)
            await self._rest(began)

    async def _look_once(self, hearing: Hearing) -> None:
        there = await self._tables.outstanding()
        if hearing.compare(there.clock_seconds):
            logger.warning("the database's clock has jumped: workers are given time to be heard again")
        if there.held and self._monotonic() >= self._expire_at:
            self._expire_at = self._monotonic() + self._limits.look_seconds
            await self.expire(silence_counts=hearing.is_steady)
        if there.queued or there.ahead:
            await self.assign(hearing.steady_seconds - self._limits.settle_seconds)

    async def _rest(self, began: float) -> None:
        await asyncio.sleep(began + self._limits.pace_seconds - self._monotonic())
        try:
            async with asyncio.timeout(self._limits.look_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def expire(self, *, silence_counts: bool = True) -> None:
        """Ends the attempts of workers that are gone, and those that nobody has reported about for a whole lease."""
        overdue = await self._tables.overdue(
            self._limits.lease_seconds, self._void(), silence_counts=silence_counts
        )
        for attempt in overdue:
            if await self._end(attempt, LEASE_EXPIRED):
                logger.warning("attempt %s of %s: lease expired", attempt.attempt, attempt.transcription_id)

    async def _end(self, attempt: AttemptKey, reason: str) -> bool:
        """Whether it was running until now."""
        fail = FailAttempt(
            transcription_id=attempt.transcription_id,
            attempt=attempt.attempt,
            reason=reason,
            permanent=False,
            failed_at=self._clock.now(),
        )
        was_running = False
        try:
            was_running = bool(await fail_attempt(fail, self._store, _provenance(attempt.transcription_id)))
        except Rejection:
            # Ended otherwise; without a lease, only the queue's lag made it look overdue.
            self._leave_alone(attempt.transcription_id)
        except (PartitionDetached, EventUnreadable) as problem:
            self._put_off(attempt.transcription_id, problem)
            return False
        await self._tables.end(attempt)
        return was_running

    async def assign(self, heard_within_seconds: float) -> None:
        """Gives waiting jobs to workers with room, if they were heard so lately and not too long ago."""
        if heard_within_seconds <= 0:
            return
        silence_seconds_max = min(heard_within_seconds, self._limits.silence_seconds_max)
        workers = await self._tables.free_workers(silence_seconds_max)
        places = sum(worker.free_slots + worker.places_ahead for worker in workers)
        if not places:
            return
        jobs_max = min(places, self._limits.assignments_max)
        users = await self._tables.waiting_users(jobs_max, self._void())
        assignments = pick(users, workers, await self._tables.virtual_seconds())[:jobs_max] if users else []
        await together(self._start(assignment) for assignment in assignments)
        await self._move(sum(worker.free_slots for worker in workers) - len(assignments))

    async def _move(self, free_slots: int) -> None:
        """Takes jobs back that wait at a busy worker while another has a free slot and nothing to do with it."""
        if free_slots <= 0:
            return
        for attempt in await self._tables.waiting_ahead(min(free_slots, self._limits.assignments_max)):
            if await self._end(attempt, MOVED):
                logger.info("attempt %s of %s goes elsewhere", attempt.attempt, attempt.transcription_id)

    async def _start(self, assignment: Assignment) -> None:
        job = assignment.job
        try:
            attempt = await start_transcription(
                job.transcription_id,
                assignment.worker_id,
                self._clock.now(),
                self._store,
                _provenance(job.transcription_id),
            )
        except Rejection as rejection:
            logger.info("%s is not to be started: %s", job.transcription_id, rejection)
            self._leave_alone(job.transcription_id)
            return
        except (PartitionDetached, EventUnreadable) as problem:
            self._put_off(job.transcription_id, problem)
            return
        lease = Lease(
            transcription_id=job.transcription_id,
            attempt=attempt,
            worker_id=assignment.worker_id,
            user_id=assignment.user_id,
            requested_at=job.requested_at,
        )
        await self._tables.grant(lease, self._limits.lease_seconds, job.charge_seconds)

    def _put_off(self, transcription_id: UUID, problem: Exception) -> None:
        """The others go on."""
        logger.error("%s waits: %s", transcription_id, problem)
        self._leave_alone(transcription_id)

    def _leave_alone(self, transcription_id: UUID) -> None:
        self._void_until[transcription_id] = self._monotonic() + self._limits.void_seconds

    def _void(self) -> Sequence[UUID]:
        now = self._monotonic()
        self._void_until = {each: until for each, until in self._void_until.items() if until > now}
        return list(self._void_until)


def _provenance(transcription_id: UUID) -> Provenance:
    return Provenance(actor=ACTOR, correlation_id=transcription_id)
