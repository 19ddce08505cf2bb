"""The dispatcher's tables keep one contract, in memory and in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from dispatcher.__main__ import QUEUE
from dispatcher.ports import AttemptKey, DispatchTables, Lease
from dispatcher.tables import PostgresDispatchTables, percentage_of
from domain.events import Event
from domain.transcription import TRANSCRIPTION
from infrastructure.memory import InMemoryEventStore
from infrastructure.postgres.pool import READ_SCHEMA, SEARCH_PATH
from projections.models import migrate
from projections.projection import fold_into
from projections.tables import ensure_tables
from schemas.messages import ProgressReported, WorkerReady
from tests.builders import ANNA, BERT, NOON, OTHER_WORKER, WORKER, cancelled, identity, requested, started
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.stories import happened
from tests.dispatcher.memory import MemoryDispatchTables, MovedClock

LEASE_SECONDS = 30.0
SILENCE_SECONDS = 6.0


class Rig(Protocol):
    @property
    def tables(self) -> DispatchTables: ...

    async def queue(self, *events: Event) -> None:
        """These events happened and are folded."""
        ...

    async def pass_seconds(self, seconds: float) -> None: ...

    async def percentage(self) -> int | None:
        """Of the one transcription that has progress."""
        ...

    async def leased(self) -> Sequence[AttemptKey]: ...


@dataclass
class MemoryRig:
    store: InMemoryEventStore
    clock: MovedClock
    tables: MemoryDispatchTables

    async def queue(self, *events: Event) -> None:
        for event in events:
            stream_id = TRANSCRIPTION.stream_id(QUEUE.keys[type(event)](event))
            await happened(self.store, stream_id, event)

    async def pass_seconds(self, seconds: float) -> None:
        self.clock.seconds += seconds

    async def percentage(self) -> int | None:
        return next((percentage for *_, percentage in self.tables.progress.values()), None)

    async def leased(self) -> Sequence[AttemptKey]:
        return [AttemptKey(key, lease.attempt) for key, (lease, _) in self.tables.leases.items()]


@dataclass
class PostgresRig:
    pool: "asyncpg.Pool[Any]"
    tables: PostgresDispatchTables

    async def queue(self, *events: Event) -> None:
        async with self.pool.acquire() as connection:
            await fold_into(connection, QUEUE, events)
            # The events' times are made up; for the database they are to be now.
            await connection.execute("update dispatch_queue set due_at = now()")
            await connection.execute(
                "update dispatch_queue set started_at = now() where status = 'running'"
            )

    async def pass_seconds(self, seconds: float) -> None:
        """Moves everything into the past, since the database's clock does not wait for a test."""
        past = timedelta(seconds=seconds)
        for table, column in (
            ("dispatch_workers", "seen_at"),
            ("dispatch_leases", "expires_at"),
            ("dispatch_queue", "due_at"),
            ("dispatch_queue", "started_at"),
        ):
            await self.pool.execute(f"update {table} set {column} = {column} - $1::interval", past)

    async def percentage(self) -> int | None:
        found: int | None = await self.pool.fetchval("select percentage from transcription_progress")
        return found

    async def leased(self) -> Sequence[AttemptKey]:
        rows = await self.pool.fetch("select transcription_id, attempt from dispatch_leases")
        return [AttemptKey(*row) for row in rows]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def connections(postgres_url: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    settings = {"search_path": SEARCH_PATH}
    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=4, server_settings=settings) as pool:
        await PostgresDispatchTables(pool).create()
        async with pool.acquire() as connection:
            await migrate(connection)
            await ensure_tables(connection, READ_SCHEMA, [QUEUE])
        yield pool


@pytest.fixture(params=["memory", "postgres"])
async def rig(request: pytest.FixtureRequest, connections: "asyncpg.Pool[Any]") -> Rig:
    if request.param == "memory":
        store, clock = InMemoryEventStore(partition_count=4), MovedClock()
        return MemoryRig(store, clock, MemoryDispatchTables(store, clock))
    await connections.execute(
        "truncate dispatch_queue, dispatch_workers, dispatch_leases, transcription_progress, report_offsets"
    )
    return PostgresRig(connections, PostgresDispatchTables(connections))


def ready(*running: tuple[UUID, int], worker_id: UUID = WORKER, slots: int = 1) -> WorkerReady:
    return WorkerReady(worker_id=worker_id, engine="scripted", slots=slots, running=running)


def lease(
    attempt: int = 1,
    *,
    transcription_id: UUID = TRANSCRIPTION_ID,
    worker_id: UUID = WORKER,
    user_id: UUID = ANNA,
) -> Lease:
    return Lease(
        transcription_id=transcription_id,
        attempt=attempt,
        worker_id=worker_id,
        user_id=user_id,
        requested_at=NOON,
    )


def progress(done_seconds: float, *, attempt: int = 1, worker_id: UUID = WORKER) -> ProgressReported:
    return ProgressReported(
        worker_id=worker_id,
        transcription_id=TRANSCRIPTION_ID,
        attempt=attempt,
        done_seconds=done_seconds,
        total_seconds=100.0,
    )


async def test_a_worker_has_room_for_what_it_holds_no_lease_of(rig: Rig) -> None:
    await rig.tables.announce([ready(slots=2)], LEASE_SECONDS)
    await rig.tables.grant(lease(), LEASE_SECONDS)
    [free] = await rig.tables.free_workers(SILENCE_SECONDS)
    assert (free.worker_id, free.free_slots) == (WORKER, 1)
    await rig.tables.grant(lease(transcription_id=identity("another")), LEASE_SECONDS)
    assert await rig.tables.free_workers(SILENCE_SECONDS) == []


async def test_a_worker_that_fell_silent_has_no_room(rig: Rig) -> None:
    await rig.tables.announce([ready()], LEASE_SECONDS)
    await rig.pass_seconds(SILENCE_SECONDS + 1)
    assert await rig.tables.free_workers(SILENCE_SECONDS) == []
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert len(await rig.tables.free_workers(SILENCE_SECONDS)) == 1


async def test_a_worker_that_left_has_no_room(rig: Rig) -> None:
    await rig.tables.announce([ready()], LEASE_SECONDS)
    await rig.tables.dismiss([WORKER, OTHER_WORKER])
    assert await rig.tables.free_workers(SILENCE_SECONDS) == []


async def test_what_a_worker_held_that_is_gone_is_overdue_at_once(rig: Rig) -> None:
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.tables.grant(
        lease(transcription_id=identity("another"), worker_id=OTHER_WORKER), LEASE_SECONDS
    )
    await rig.tables.give_up([WORKER])
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]
    assert await rig.tables.overdue(LEASE_SECONDS, [], silence_counts=False) == [
        AttemptKey(TRANSCRIPTION_ID, 1)
    ]


async def test_queued_jobs_wait_until_they_have_a_lease(rig: Rig) -> None:
    await rig.queue(requested())
    [job] = await rig.tables.waiting_jobs(10, [])
    assert (job.transcription_id, job.user_id, job.running) == (TRANSCRIPTION_ID, ANNA, 0)
    assert await rig.tables.waiting_jobs(10, [TRANSCRIPTION_ID]) == []
    await rig.tables.grant(lease(), LEASE_SECONDS)
    assert await rig.tables.waiting_jobs(10, []) == []


async def test_running_jobs_do_not_wait(rig: Rig) -> None:
    await rig.queue(requested(), started())
    assert await rig.tables.waiting_jobs(10, []) == []


async def test_a_job_says_how_much_of_its_user_is_running(rig: Rig) -> None:
    await rig.queue(requested())
    await rig.tables.grant(lease(transcription_id=identity("another")), LEASE_SECONDS)
    await rig.tables.grant(lease(transcription_id=identity("bert's"), user_id=BERT), LEASE_SECONDS)
    [job] = await rig.tables.waiting_jobs(10, [])
    assert job.running == 1


async def test_an_attempt_is_overdue_when_its_lease_has_run_out(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    assert AttemptKey(TRANSCRIPTION_ID, 1) not in await rig.tables.overdue(LEASE_SECONDS, [])
    await rig.pass_seconds(2)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]
    assert await rig.tables.overdue(LEASE_SECONDS, [], silence_counts=False) == []
    assert await rig.tables.overdue(LEASE_SECONDS, [TRANSCRIPTION_ID]) == []


async def test_an_attempt_without_a_lease_is_overdue_a_lease_after_its_start(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.pass_seconds(LEASE_SECONDS + 1)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_an_old_attempt_does_not_end_the_lease_of_a_new_one(rig: Rig) -> None:
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    await rig.tables.end(AttemptKey(TRANSCRIPTION_ID, 1))
    await rig.tables.grant(lease(1), LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 2)]
    await rig.tables.end(AttemptKey(TRANSCRIPTION_ID, 2))
    assert await rig.leased() == []


async def test_a_worker_renews_the_leases_of_what_it_says_is_running(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1))], LEASE_SECONDS)
    await rig.pass_seconds(2)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == []


async def test_a_worker_does_not_renew_what_it_does_not_name_or_does_not_hold(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    await rig.tables.announce(
        [ready((TRANSCRIPTION_ID, 2)), ready((TRANSCRIPTION_ID, 1), worker_id=OTHER_WORKER)], LEASE_SECONDS
    )
    await rig.pass_seconds(2)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_worker_makes_up_for_a_lease_that_was_never_written(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1), worker_id=OTHER_WORKER)], LEASE_SECONDS)
    assert await rig.leased() == []
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1))], LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_job_its_worker_never_received_stays_leased(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_cancelled_job_is_leased_until_its_worker_has_put_it_down(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.queue(cancelled(1, worker_id=WORKER))
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1))], LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 1)]
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert await rig.leased() == []


async def test_a_job_requested_again_is_not_held_up_by_the_lease_from_before(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    again = replace(requested(), requested_at=NOON + timedelta(seconds=1))
    await rig.queue(cancelled(1, worker_id=WORKER), again)
    await rig.tables.announce([ready()], LEASE_SECONDS)
    await rig.pass_seconds(2)
    assert len(await rig.tables.waiting_jobs(10, [])) == 1


async def test_progress_goes_forward_and_renews_the_lease(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    await rig.tables.note_progress([progress(30)], LEASE_SECONDS)
    await rig.tables.note_progress([progress(20)], LEASE_SECONDS)
    await rig.pass_seconds(2)
    assert await rig.percentage() == 30
    assert await rig.tables.overdue(LEASE_SECONDS, []) == []


async def test_progress_of_another_attempt_or_worker_counts_for_nothing(rig: Rig) -> None:
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    await rig.tables.note_progress([progress(30), progress(40, attempt=2, worker_id=OTHER_WORKER)], 30)
    assert await rig.percentage() is None
    await rig.tables.note_progress([progress(10, attempt=2)], LEASE_SECONDS)
    assert await rig.percentage() == 10


async def test_a_new_attempt_starts_its_progress_anew(rig: Rig) -> None:
    await rig.tables.grant(lease(1), LEASE_SECONDS)
    await rig.tables.note_progress([progress(90)], LEASE_SECONDS)
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    await rig.tables.note_progress([progress(28, attempt=2)], LEASE_SECONDS)
    assert await rig.percentage() == 28


async def test_offsets_are_kept(rig: Rig) -> None:
    await rig.tables.keep_offsets({0: 5, 1: 7})
    await rig.tables.keep_offsets({1: 8})
    assert await rig.tables.report_offsets() == {0: 5, 1: 8}


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [(0, 10, 0), (5, 10, 50), (10, 10, 99), (11, 10, 99), (-1, 10, 0), (1, 0, 0), (1, -1, 0)],
)
def test_nothing_unfinished_is_shown_as_finished(done: float, total: float, shown: int) -> None:
    assert percentage_of(done, total) == shown


async def test_in_postgresql_the_next_jobs_are_the_fair_ones(connections: "asyncpg.Pool[Any]") -> None:
    tables = PostgresDispatchTables(connections)
    await connections.execute("truncate dispatch_queue, dispatch_leases")
    names = [("anna", minute) for minute in range(5)] + [("bert", 7), ("carl", 3), ("carl", 8)]
    async with connections.acquire() as connection:
        await fold_into(connection, QUEUE, [_request(name, minute) for name, minute in names])
        await connection.execute("update dispatch_queue set due_at = now()")
    await tables.grant(lease(transcription_id=identity("x"), user_id=identity("carl")), LEASE_SECONDS)
    jobs = await tables.waiting_jobs(4, [])
    wanted = [("anna", 0), ("bert", 7), ("anna", 1), ("carl", 3)]
    assert [job.transcription_id for job in jobs] == [_request(*each).transcription_id for each in wanted]


def _request(name: str, minute: int) -> Any:
    return replace(
        requested(user_id=identity(name), transcription_id=identity(f"{name} {minute}")),
        requested_at=NOON + timedelta(minutes=minute),
    )
