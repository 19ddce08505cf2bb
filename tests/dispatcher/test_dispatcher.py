"""The dispatcher assigns fairly, ends silent attempts, and shrugs at crashes, lag and rivals."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from commands.cancel_transcription import cancel_transcription
from commands.request_transcription import request_transcription
from dispatcher.dispatcher import Dispatcher, DispatchLimits
from domain.log import Address, Decision, StreamHead, StreamTail
from domain.media_file import MEDIA_FILE
from domain.ports import Clock, EventUnreadable, PartitionDetached
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION, Status, Transcription, transcription_id_of
from domain.transcription_commands import CancelTranscription
from domain.transcription_events import TranscriptionStarted
from infrastructure.memory import InMemoryEventStore
from schemas.messages import WorkerReady
from tests.builders import ANNA, OTHER_WORKER, WORKER, granted, identity, uploaded
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import happened
from tests.dispatcher.memory import Chatter, MemoryDispatchTables, MovedClock

LIMITS = DispatchLimits(
    lease_seconds=30.0, silence_seconds_max=6.0, look_seconds=0.001, pace_seconds=0.0, pause_seconds=0.001
)


class Rig:
    """A dispatcher whose time a test moves; Anna is its user."""

    def __init__(self, kind: type[InMemoryEventStore] = InMemoryEventStore) -> None:
        self.clock = MovedClock()
        self.store = kind(partition_count=4, clock=self.clock)
        self.tables = MemoryDispatchTables(self.store, self.clock)
        self.chatter = Chatter(self.clock)
        self.dispatcher = self.another_dispatcher()

    def another_dispatcher(self, clock: Clock | None = None) -> Dispatcher:
        return Dispatcher(
            self.tables,
            self.store,
            clock or self.clock,
            self.chatter.open,
            limits=LIMITS,
            monotonic=self.clock.monotonic,
        )

    async def assign(self) -> None:
        await self.dispatcher.assign(LIMITS.silence_seconds_max)

    async def request(self, name: str, *, user: str = "anna") -> UUID:
        """A queued transcription of a file of this name; requests are a second apart."""
        user_id, file_id = identity(user), identity(name)
        self.clock.seconds += 1
        if not await self.store.read_stream(QUOTA.stream_id(user_id)):
            grant = granted(60, user_id=user_id)
            await happened(self.store, QUOTA.stream_id(user_id), grant, owner_id=user_id)
        upload = uploaded(user_id=user_id, file_id=file_id)
        await happened(self.store, MEDIA_FILE.stream_id(file_id), upload, owner_id=user_id)
        await request_transcription(file_id, user_id, self.clock.now(), self.store, PROVENANCE)
        return transcription_id_of(file_id)

    async def ready(
        self,
        *running: UUID,
        worker_id: UUID = WORKER,
        slots: int = 1,
        ahead: int = 0,
        waiting: tuple[UUID, ...] = (),
    ) -> None:
        report = WorkerReady(
            worker_id=worker_id,
            engine="scripted",
            slots=slots,
            ahead=ahead,
            running=tuple([(each, (await self.state(each)).attempt) for each in running]),
            waiting=tuple([(each, (await self.state(each)).attempt) for each in waiting]),
        )
        await self.tables.announce([report], LIMITS.lease_seconds)

    async def state(self, transcription_id: UUID) -> Transcription:
        events = await self.store.read_stream(TRANSCRIPTION.stream_id(transcription_id))
        return TRANSCRIPTION.fold(events)  # type: ignore[arg-type]  # its own events

    async def starts(self, transcription_id: UUID) -> int:
        events = await self.store.read_stream(TRANSCRIPTION.stream_id(transcription_id))
        return sum(isinstance(event, TranscriptionStarted) for event in events)


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_queued_job_goes_to_a_free_worker(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    state = await rig.state(job)
    assert (state.status, state.worker_id, state.attempt) == ("processing", WORKER, 1)
    [lease] = rig.tables.leased_to(WORKER)
    assert (lease.transcription_id, lease.attempt) == (job, 1)


async def test_a_busy_worker_gets_nothing_more(rig: Rig) -> None:
    jobs = [await rig.request("first"), await rig.request("second")]
    await rig.ready()
    for _ in range(3):
        await rig.assign()
    assert [await rig.starts(job) for job in jobs] == [1, 0]


async def test_a_job_is_sent_ahead_to_a_worker_that_is_nearly_done(rig: Rig) -> None:
    jobs = [await rig.request(name) for name in ("first", "second", "third")]
    await rig.ready()
    await rig.assign()
    await rig.ready(jobs[0], ahead=1)
    for _ in range(3):
        await rig.assign()
    assert [await rig.starts(job) for job in jobs] == [1, 1, 0]
    assert (await rig.state(jobs[1])).worker_id == WORKER


async def test_a_job_that_waits_at_a_busy_worker_goes_to_one_that_is_free(rig: Rig) -> None:
    first, second = await two_at_a_busy_worker(rig)
    await rig.ready(worker_id=OTHER_WORKER)
    for _ in range(2):
        await rig.assign()
    state = await rig.state(second)
    assert (state.worker_id, state.attempt, state.failures) == (OTHER_WORKER, 2, 0)
    assert (await rig.state(first)).worker_id == WORKER


async def test_a_job_that_waits_stays_while_others_have_more_need_of_the_free_slot(rig: Rig) -> None:
    _, second = await two_at_a_busy_worker(rig)
    third = await rig.request("third")
    await rig.ready(worker_id=OTHER_WORKER)
    for _ in range(2):
        await rig.assign()
    assert (await rig.state(second)).worker_id == WORKER
    assert (await rig.state(third)).worker_id == OTHER_WORKER


async def two_at_a_busy_worker(rig: Rig) -> tuple[UUID, UUID]:
    """The second one waits."""
    first, second = await rig.request("first"), await rig.request("second")
    await rig.ready()
    await rig.assign()
    await rig.ready(first, ahead=1)
    await rig.assign()
    await rig.ready(first, second, ahead=1, waiting=(second,))
    return first, second


async def test_without_workers_jobs_wait(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.assign()
    assert (await rig.state(job)).status == "queued"


async def test_users_share_the_workers(rig: Rig) -> None:
    anna = [await rig.request(f"anna's {number}") for number in range(5)]
    bert = await rig.request("bert's", user="bert")
    await rig.ready(slots=2)
    await rig.assign()
    assert await rig.starts(anna[0]) == 1
    assert await rig.starts(bert) == 1


async def test_a_queue_that_lags_behind_starts_nothing_twice(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready(slots=4)
    rig.tables.queue()
    rig.tables.lagging = True
    await rig.assign()
    rig.tables.leases.clear()
    await rig.assign()
    assert await rig.starts(job) == 1


async def test_a_job_the_log_refuses_does_not_hold_up_the_others(rig: Rig) -> None:
    gone, waiting = await rig.request("gone"), await rig.request("waiting")
    rig.tables.queue()
    rig.tables.lagging = True
    await cancel(rig, gone)
    await rig.ready()
    await rig.assign()
    await rig.assign()
    assert await rig.starts(waiting) == 1


async def test_two_dispatchers_at_once_assign_a_job_once(rig: Rig) -> None:
    jobs = [await rig.request(f"talk {number}") for number in range(4)]
    await rig.ready(slots=4)
    rivals = [rig.dispatcher, rig.another_dispatcher()]
    await asyncio.gather(*(dispatcher.assign(LIMITS.silence_seconds_max) for dispatcher in rivals))
    assert [await rig.starts(job) for job in jobs] == [1, 1, 1, 1]


async def test_an_attempt_nobody_reports_about_goes_back_to_the_queue(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    rig.clock.seconds += LIMITS.lease_seconds + 1
    await rig.dispatcher.expire()
    state = await rig.state(job)
    assert (state.status, state.failures) == ("queued", 1)
    assert rig.tables.leases == {}


async def test_the_next_attempt_waits_a_moment_and_goes_to_who_is_there(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    rig.clock.seconds += LIMITS.lease_seconds + 1
    await rig.dispatcher.expire()
    await rig.ready(worker_id=OTHER_WORKER)
    await rig.assign()
    assert await rig.starts(job) == 1
    rig.clock.seconds += 1
    await rig.assign()
    state = await rig.state(job)
    assert (state.attempt, state.worker_id) == (2, OTHER_WORKER)


class WrongClock:
    """Differs from that of the tables."""

    def __init__(self, clock: Clock, wrong_by: timedelta) -> None:
        self._clock = clock
        self._wrong_by = wrong_by

    def now(self) -> datetime:
        return self._clock.now() + self._wrong_by


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_dispatcher_whose_clock_is_wrong_by_an_hour_neither_delays_nor_rushes_an_attempt(
    rig: Rig, hours: int
) -> None:
    dispatcher = rig.another_dispatcher(WrongClock(rig.clock, timedelta(hours=hours)))
    job = await rig.request("talk")
    await rig.ready()
    await dispatcher.assign(LIMITS.silence_seconds_max)
    assert await rig.starts(job) == 1
    rig.clock.seconds += LIMITS.lease_seconds - 1
    await dispatcher.expire()
    assert (await rig.state(job)).status == "processing"
    rig.clock.seconds += 2
    await dispatcher.expire()
    assert (await rig.state(job)).status == "queued"
    await rig.ready(worker_id=OTHER_WORKER)
    await dispatcher.assign(LIMITS.silence_seconds_max)
    assert await rig.starts(job) == 1
    rig.clock.seconds += 1
    await dispatcher.assign(LIMITS.silence_seconds_max)
    assert await rig.starts(job) == 2


async def test_after_the_last_attempt_the_transcription_has_failed(rig: Rig) -> None:
    job = await rig.request("talk")
    for _ in range(3):
        rig.clock.seconds += 10
        await rig.ready()
        await rig.assign()
        rig.clock.seconds += LIMITS.lease_seconds + 1
        await rig.dispatcher.expire()
    assert (await rig.state(job)).status == "failed"
    quota = QUOTA.fold(await rig.store.read_stream(QUOTA.stream_id(ANNA)))  # type: ignore[arg-type]  # its own
    assert (quota.minutes_available, quota.minutes_reserved) == (60, 0)


async def test_a_worker_that_reports_keeps_its_attempt(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    for _ in range(20):
        rig.clock.seconds += LIMITS.lease_seconds / 2
        await rig.ready(job)
        await rig.dispatcher.expire()
    assert (await rig.state(job)).status == "processing"


async def test_an_assignment_whose_dispatcher_died_before_the_lease_is_made_good(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready()
    rig.tables.away = True
    with pytest.raises(ConnectionError):
        await rig.assign()
    rig.tables.away = False
    assert (await rig.state(job)).status == "processing"
    await rig.another_dispatcher().expire()
    assert (await rig.state(job)).status == "processing"
    rig.clock.seconds += LIMITS.lease_seconds + 1
    await rig.another_dispatcher().expire()
    assert (await rig.state(job)).status == "queued"


async def test_the_expired_lease_of_a_cancelled_job_frees_the_slot_and_fails_nothing(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    await cancel(rig, job)
    rig.clock.seconds += LIMITS.lease_seconds + 1
    await rig.dispatcher.expire()
    assert (await rig.state(job)).status == "cancelled"
    assert rig.tables.leases == {}


async def test_a_running_dispatcher_gives_a_job_to_a_worker_that_reports(rig: Rig) -> None:
    rig.chatter.alive = [announcement()]
    async with running(rig):
        job = await rig.request("talk")
        await until_processing(rig, job)
    assert (await rig.state(job)).worker_id == WORKER


async def test_a_worker_heard_of_only_in_the_backlog_gets_nothing(rig: Rig) -> None:
    """It may have died with the dispatcher that should have read its report."""
    rig.chatter = Chatter(rig.clock, backlog=[announcement(slots=9)])
    rig.chatter.alive = [announcement(worker_id=OTHER_WORKER)]
    rig.dispatcher = rig.another_dispatcher()
    jobs = [await rig.request("first"), await rig.request("second")]
    async with running(rig):
        await until_processing(rig, jobs[0])
    assert (await rig.state(jobs[0])).worker_id == OTHER_WORKER
    assert await rig.starts(jobs[1]) == 0


async def test_a_running_dispatcher_sits_out_what_is_away(rig: Rig) -> None:
    rig.chatter.alive = [announcement()]
    job = await rig.request("talk")
    rig.tables.away = True
    async with running(rig):
        await until(lambda: rig.clock.seconds > 10)
        assert (await rig.state(job)).status == "queued"
        rig.tables.away = False
        await until_processing(rig, job)


async def test_a_dispatcher_that_heard_nobody_ends_no_attempt(rig: Rig) -> None:
    """Its leases have run out while it was away: nobody could have renewed them."""
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    rig.clock.seconds += LIMITS.lease_seconds + 1
    async with running(rig):
        await until(lambda: rig.clock.seconds > 3 * LIMITS.lease_seconds)
        assert (await rig.state(job)).status == "processing"
        rig.chatter.alive = [announcement(worker_id=OTHER_WORKER)]
        async with asyncio.timeout(10):
            while (await rig.state(job)).attempt != 2:
                await asyncio.sleep(0)
    assert (await rig.state(job)).worker_id == OTHER_WORKER


async def test_what_a_worker_held_that_is_gone_is_assigned_again_by_a_dispatcher_that_has_just_started(
    rig: Rig,
) -> None:
    """Silence means nothing to it yet; that somebody is gone, it was told."""
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    began = rig.clock.seconds
    await rig.tables.give_up([WORKER])
    async with running(rig), asyncio.timeout(10):
        while (await rig.state(job)).status != "queued":
            await asyncio.sleep(0)
    assert rig.clock.seconds < began + LIMITS.lease_seconds


async def test_a_dispatcher_that_was_away_gives_workers_time_to_report(rig: Rig) -> None:
    job = await rig.request("talk")
    await rig.ready()
    await rig.assign()
    rig.clock.seconds += 10 * LIMITS.lease_seconds
    rig.chatter.alive = [announcement((job, 1))]
    async with running(rig):
        await until(lambda: rig.clock.seconds > 12 * LIMITS.lease_seconds)
    state = await rig.state(job)
    assert (state.status, state.attempt, state.failures) == ("processing", 1, 0)


@pytest.mark.parametrize("jumped_seconds", [3600.0, -3600.0])
async def test_a_jump_of_the_databases_clock_ends_no_attempt_of_a_worker_that_is_there(
    rig: Rig, jumped_seconds: float
) -> None:
    """Nor does it when the machine has slept, which that clock counts and the dispatcher's own does not."""
    rig.chatter.alive = [announcement()]
    async with running(rig):
        job = await rig.request("talk")
        await until_processing(rig, job)
        rig.chatter.alive = [announcement((job, 1))]
        await until(lambda: rig.clock.seconds > 2 * LIMITS.lease_seconds)
        rig.chatter.alive = []
        rig.tables.jumped_seconds = jumped_seconds
        jumped_at = rig.clock.seconds
        await until(lambda: rig.clock.seconds > jumped_at + 1)
        rig.chatter.alive = [announcement((job, 1))]
        await until(lambda: rig.clock.seconds > jumped_at + 2 * LIMITS.lease_seconds)
    state = await rig.state(job)
    assert (state.status, state.attempt, state.failures) == ("processing", 1, 0)


def announcement(*attempts: tuple[UUID, int], worker_id: UUID = WORKER, slots: int = 1) -> WorkerReady:
    return WorkerReady(worker_id=worker_id, engine="scripted", slots=slots, running=attempts)


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        dispatching = tasks.create_task(rig.dispatcher.run())
        yield
        dispatching.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def until_processing(rig: Rig, transcription_id: UUID) -> None:
    async with asyncio.timeout(10):
        while (await rig.state(transcription_id)).status != "processing":
            await asyncio.sleep(0)


async def cancel(rig: Rig, transcription_id: UUID) -> None:
    command = CancelTranscription(
        transcription_id=transcription_id, user_id=ANNA, cancelled_at=rig.clock.now()
    )
    await cancel_transcription(command, rig.store, PROVENANCE)


class LogInParts(InMemoryEventStore):
    """One whose owner is `away` lies in a partition that is detached."""

    away: UUID | None = None

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        if any(each.owner_id == self.away for decision in decisions for each in decision.appends):
            raise PartitionDetached([0])
        return await super().append_chain(decisions)


async def test_a_job_whose_partition_is_detached_waits_and_keeps_no_other_waiting() -> None:
    rig = Rig(LogInParts)
    assert isinstance(rig.store, LogInParts)
    away, there = await rig.request("anna's"), await rig.request("bert's", user="bert")
    rig.store.away = ANNA
    await rig.ready(slots=2)
    await rig.assign()
    assert (await rig.starts(away), await rig.starts(there)) == (0, 1)
    rig.store.away = None
    rig.clock.seconds += LIMITS.void_seconds
    await rig.ready(there, slots=2)
    await rig.assign()
    assert (await rig.starts(away), await rig.starts(there)) == (1, 1)


class LogWithALostKey(InMemoryEventStore):
    """What is of `unreadable` cannot be read."""

    unreadable: UUID | None = None

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        if owner_id is not None and owner_id == self.unreadable:
            raise EventUnreadable("there is no key")
        return await super().read_streams(heads, events_max, owner_id)


async def test_a_job_that_cannot_be_read_waits_and_keeps_no_other_waiting() -> None:
    rig = Rig(LogWithALostKey)
    assert isinstance(rig.store, LogWithALostKey)
    lost, there = await rig.request("anna's"), await rig.request("bert's", user="bert")
    rig.store.unreadable = ANNA
    await rig.ready(slots=2)
    await rig.assign()
    assert (await rig.starts(lost), await rig.starts(there)) == (0, 1)
    rig.store.unreadable = None
    rig.clock.seconds += LIMITS.void_seconds
    await rig.ready(there, slots=2)
    await rig.assign()
    assert (await rig.starts(lost), await rig.starts(there)) == (1, 1)


async def test_an_attempt_whose_partition_is_detached_is_ended_when_it_is_back() -> None:
    rig = Rig(LogInParts)
    assert isinstance(rig.store, LogInParts)
    job = await rig.request("anna's")
    await rig.ready()
    await rig.assign()
    rig.store.away = ANNA
    rig.clock.seconds += LIMITS.lease_seconds + 1
    await rig.dispatcher.expire()
    assert (await rig.state(job)).status is Status.PROCESSING
    rig.store.away = None
    rig.clock.seconds += LIMITS.void_seconds
    await rig.dispatcher.expire()
    assert (await rig.state(job)).status is Status.QUEUED
