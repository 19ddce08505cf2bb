"""Whatever happens in whatever order: one attempt per slot, one debit per transcription, no minute lost."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from commands.cancel_transcription import cancel_transcription
from commands.request_transcription import request_transcription
from dispatcher.reports import ReportTaker
from domain.attempts import ATTEMPTS_MAX
from domain.errors import QuotaExceeded, Rejection, TranscriptionExists
from domain.log import VersionConflict
from domain.quota import QUOTA, QuotaDebited
from domain.transcription import Status
from domain.transcription_commands import CancelTranscription
from domain.transcription_events import TranscriptionCompleted
from schemas.events import opened
from schemas.messages import AttemptFaulted, AttemptSucceeded, Report, WorkerReady
from schemas.sealing import BLIND
from tests.builders import identity, result
from tests.commands.conftest import PROVENANCE
from tests.dispatcher.test_dispatcher import LIMITS, Rig

USERS = ("anna", "bert")
SLOTS = {identity("one-slot worker"): 1, identity("two-slot worker"): 2}


class DispatchMachine(RuleBasedStateMachine):
    """Workers do what they are told, forget, repeat themselves and fall silent; the queue lags; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.rig = Rig()
        self.taker = ReportTaker(
            self.rig.tables,
            self.rig.store,
            self.rig.clock,
            LIMITS.lease_seconds,
            (OSError, VersionConflict),
        )
        self.files = 0
        self.jobs: dict[UUID, tuple[str, str]] = {}
        self.attempts: list[tuple[UUID, int, UUID]] = []
        self.sent: list[Report] = []
        self.offset = 0

    def teardown(self) -> None:
        self.loop.close()

    def run(self, doing: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(doing)

    @rule(user=st.sampled_from(USERS))
    def request(self, user: str) -> None:
        name = f"file {self.files}"
        self.files += 1
        try:
            self.jobs[self.run(self.rig.request(name, user=user))] = (name, user)
        except QuotaExceeded:
            return

    @precondition(lambda self: self.jobs)
    @rule(choice=st.randoms(use_true_random=False))
    def request_again(self, choice: Any) -> None:
        name, user = self.jobs[choice.choice(sorted(self.jobs))]
        try:
            self.run(
                request_transcription(
                    identity(name), identity(user), self.rig.clock.now(), self.rig.store, PROVENANCE
                )
            )
        except (TranscriptionExists, QuotaExceeded):
            return

    @rule(worker_id=st.sampled_from(sorted(SLOTS)), knows=st.booleans())
    def announce(self, worker_id: UUID, knows: bool) -> None:
        """A worker that does not know its attempts has lost its assignments."""
        running = [(job, attempt) for job, attempt, worker in self.running() if worker == worker_id]
        report = WorkerReady(
            worker_id=worker_id,
            engine="scripted",
            slots=SLOTS[worker_id],
            running=tuple(running) if knows else (),
        )
        self.take(report)

    @rule()
    def assign(self) -> None:
        self.run(self.rig.assign())
        self.attempts += [each for each in self.running() if each not in self.attempts]

    @rule()
    def expire(self) -> None:
        self.run(self.rig.dispatcher.expire())

    @precondition(lambda self: self.attempts)
    @rule(choice=st.randoms(use_true_random=False), kind=st.sampled_from(["success", "fault", "permanent"]))
    def report(self, choice: Any, kind: str) -> None:
        """About any attempt there ever was, so most are stale after a while."""
        job, attempt, worker_id = choice.choice(self.attempts)
        if kind == "success":
            heard = result(user_id=identity(self.jobs[job][1]), transcription_id=job)
            self.take(
                AttemptSucceeded(worker_id=worker_id, transcription_id=job, attempt=attempt, result=heard)
            )
        else:
            self.take(
                AttemptFaulted(
                    worker_id=worker_id,
                    transcription_id=job,
                    attempt=attempt,
                    reason="engine_crashed",
                    permanent=kind == "permanent",
                )
            )

    @precondition(lambda self: self.sent)
    @rule(choice=st.randoms(use_true_random=False))
    def repeat_a_report(self, choice: Any) -> None:
        self.take(choice.choice(self.sent))

    @precondition(lambda self: self.jobs)
    @rule(choice=st.randoms(use_true_random=False))
    def cancel(self, choice: Any) -> None:
        job = choice.choice(sorted(self.jobs))
        command = CancelTranscription(
            transcription_id=job,
            user_id=identity(self.jobs[job][1]),
            cancelled_at=self.rig.clock.now(),
        )
        try:
            self.run(cancel_transcription(command, self.rig.store, PROVENANCE))
        except Rejection:
            return

    @rule(seconds=st.sampled_from([1, 5, 31]))
    def wait(self, seconds: int) -> None:
        self.rig.clock.seconds += seconds

    @rule(lagging=st.booleans())
    def queue_lags(self, lagging: bool) -> None:
        self.rig.tables.queue()
        self.rig.tables.lagging = lagging

    def take(self, report: Report) -> None:
        self.sent.append(report)
        self.run(self.taker.take([(0, self.offset, report)]))
        self.offset += 1

    def running(self) -> list[tuple[UUID, int, UUID]]:
        states = [(job, self.run(self.rig.state(job))) for job in self.jobs]
        return [
            (job, state.attempt, state.worker_id)
            for job, state in states
            if state.status is Status.PROCESSING and state.worker_id is not None
        ]

    @invariant()
    def no_slot_has_two_attempts(self) -> None:
        held = Counter(worker_id for *_, worker_id in self.running())
        assert all(count <= SLOTS[worker_id] for worker_id, count in held.items())

    @invariant()
    def what_is_running_has_a_lease(self) -> None:
        for job, attempt, worker_id in self.running():
            lease, _ = self.rig.tables.leases[job]
            assert (lease.attempt, lease.worker_id) == (attempt, worker_id)

    @invariant()
    def minutes_add_up(self) -> None:
        for user in USERS:
            quota = QUOTA.fold(self.run(self.rig.store.read_stream(QUOTA.stream_id(identity(user)))))
            states = [
                self.run(self.rig.state(job)).status for job, (_, of) in self.jobs.items() if of == user
            ]
            active = sum(status in {Status.QUEUED, Status.PROCESSING} for status in states)
            completed = sum(status is Status.COMPLETED for status in states)
            assert quota.minutes_available >= 0
            assert (quota.minutes_reserved, quota.minutes_debited) == (2 * active, 2 * completed)

    @invariant()
    def each_completion_has_one_debit(self) -> None:
        events = [opened(record, BLIND) for record in self.rig.store]
        completed = [each.transcription_id for each in events if isinstance(each, TranscriptionCompleted)]
        debited = [each.transcription_id for each in events if isinstance(each, QuotaDebited)]
        assert sorted(completed) == sorted(debited) == sorted(set(debited))

    @invariant()
    def nothing_fails_more_often_than_allowed(self) -> None:
        assert all(self.run(self.rig.state(job)).failures <= ATTEMPTS_MAX for job in self.jobs)


TestDispatchMachine = DispatchMachine.TestCase
TestDispatchMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
