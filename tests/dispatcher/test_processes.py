"""Real dispatcher processes over a real PostgreSQL and Kafka: every job is done once, whoever dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from commands.request_transcription import request_transcription
from domain.quota import QUOTA
from domain.transcription import TRANSCRIPTION, Status, Transcription, transcription_id_of
from infrastructure.clock import SystemClock
from infrastructure.postgres.leases import DISPATCH
from projections import transcriptions
from tests.builders import ANNA, BERT, granted, identity, uploaded
from tests.commands.conftest import PROVENANCE
from tests.dispatcher.pretend_worker import pretend_worker
from tests.projections.lives import happened
from tests.projections.running import until
from tests.projections.system import System, fresh_system
from tests.stack.servers import Database
from tests.stack.waiting import END_SECONDS

ATTEMPT_LEASE_SECONDS = 1.5
READY_INTERVAL_SECONDS = 0.3


@pytest.fixture
async def system(postgres: Database, kafka: str, tmp_path: Path) -> AsyncIterator[System]:
    async with fresh_system(
        postgres,
        kafka,
        tmp_path,
        attempt_lease_seconds=ATTEMPT_LEASE_SECONDS,
        ready_interval_seconds=READY_INTERVAL_SECONDS,
    ) as fresh:
        await happened(fresh.store, ANNA, granted(60))
        yield fresh


async def request(system: System, name: str, user_id: UUID = ANNA) -> UUID:
    file_id = identity(name)
    await happened(system.store, user_id, uploaded(file_id=file_id, user_id=user_id))
    await request_transcription(file_id, user_id, SystemClock().now(), system.store, PROVENANCE)
    return transcription_id_of(file_id)


async def state_of(system: System, transcription_id: UUID) -> Transcription:
    events = await system.store.read_stream(TRANSCRIPTION.stream_id(transcription_id))
    return TRANSCRIPTION.fold(events)  # type: ignore[arg-type]  # its own events


async def until_is(system: System, transcription_id: UUID, status: Status) -> None:
    async def is_so() -> bool:
        return (await state_of(system, transcription_id)).status is status

    await until(is_so)


async def minutes(system: System) -> tuple[int, int, int]:
    """Available, reserved, debited."""
    quota = QUOTA.fold(await system.store.read_stream(QUOTA.stream_id(ANNA)))  # type: ignore[arg-type]  # its own
    return quota.minutes_available, quota.minutes_reserved, quota.minutes_debited


async def leaders(system: System) -> int:
    count: int = await system.pool.fetchval(
        "select count(*) from leases where role = $1 and slot = 0 and expires_at > now()", DISPATCH
    )
    return count


async def lease_ends_at(system: System) -> datetime:
    ends_at: datetime = await system.pool.fetchval("select expires_at from dispatch_leases")
    return ends_at


@pytest.mark.slow
async def test_jobs_are_done_although_dispatchers_are_killed(system: System) -> None:
    await system.start("relay")
    processes = await system.start("dispatch", "dispatch")
    async with pretend_worker(system.settings) as worker:
        first = await request(system, "before")
        await until_is(system, first, Status.COMPLETED)
        for number, process in enumerate(processes * 2):
            process.kill()
            await process.wait()
            job = await request(system, f"talk {number}")
            await until_is(system, job, Status.COMPLETED)
            await process.start()
    assert await minutes(system) == (50, 0, 10)
    assert len({started.transcription_id for started in worker.taken}) == 5


async def test_a_job_whose_worker_fell_silent_goes_to_another(system: System) -> None:
    await system.start("relay", "dispatch")
    async with pretend_worker(system.settings, finishes=False):
        job = await request(system, "talk")
        await until_is(system, job, Status.PROCESSING)
    async with pretend_worker(system.settings) as other:
        await until_is(system, job, Status.COMPLETED)
        assert [started.attempt for started in other.taken] == [2]
    assert (await state_of(system, job)).failures == 1
    assert await minutes(system) == (58, 0, 2)


async def test_a_worker_that_goes_on_reporting_keeps_its_job_and_its_progress_shows(system: System) -> None:
    await system.start("relay", "project", "dispatch")
    async with pretend_worker(system.settings, finishes=False) as worker:
        job = await request(system, "talk")

        async def shows() -> bool:
            async with system.pool.acquire() as connection:
                [row] = await transcriptions.find_each(connection, [job])
            return row is not None and (row.status, row.progress_percentage) == ("processing", 50)

        await until(shows)
        first = await lease_ends_at(system)

        async def is_renewed_twice_over() -> bool:
            return (await lease_ends_at(system) - first).total_seconds() > 2 * ATTEMPT_LEASE_SECONDS

        await until(is_renewed_twice_over)
        state = await state_of(system, job)
        assert (state.status, state.attempt, state.worker_id) == ("processing", 1, worker.worker_id)


async def waiting(system: System, user_id: UUID) -> int:
    query = "select waiting from dispatch_users where user_id = $1"
    return await system.pool.fetchval(query, user_id) or 0


async def test_a_single_file_is_next_behind_twenty_five_of_another_user(system: System) -> None:
    await happened(system.store, BERT, granted(60, user_id=BERT))
    await system.start("relay", "dispatch")
    for number in range(25):
        await request(system, f"anna's {number}")
    async with pretend_worker(system.settings) as worker:
        worker.may_finish.clear()
        await until(lambda: _is(len(worker.taken) == 1))
        await request(system, "bert's", BERT)

        async def are_all_waiting() -> bool:
            return (await waiting(system, ANNA), await waiting(system, BERT)) == (24, 1)

        await until(are_all_waiting)
        worker.may_finish.set()
        await until(lambda: _is(len(worker.taken) >= 4))
        users = [started.user_id for started in worker.taken]
        assert users[:4] == [ANNA, BERT, ANNA, ANNA]


async def _is(condition: bool) -> bool:
    return condition


async def test_a_dispatcher_that_is_told_to_end_does_so_and_gives_the_lead_up(system: System) -> None:
    [process] = await system.start("dispatch")

    async def leads() -> bool:
        return await leaders(system) == 1

    await until(leads)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    async with asyncio.timeout(END_SECONDS):
        assert await process.wait() == 0
    assert await leaders(system) == 0
