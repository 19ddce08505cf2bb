"""The dispatcher's tables in PostgreSQL."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from dispatcher.pick import FreeWorker, WaitingJob, WaitingUser
from dispatcher.ports import AttemptKey, Lease, Outstanding
from infrastructure.postgres.queries import load_queries
from projections.live import PROGRESS_CHANNEL
from schemas.messages import ProgressReported, WorkerReady

SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
UNFINISHED_MAX: Final = 99
"""Per cent: only a completed transcription is at 100."""


def percentage_of(done_seconds: float, total_seconds: float) -> int:
    """How much is done, in whole per cent, before everything is."""
    if total_seconds <= 0:
        return 0
    return max(0, min(UNFINISHED_MAX, int(100 * done_seconds / total_seconds)))


@dataclass(frozen=True, slots=True)
class PostgresDispatchTables:
    """Implements DispatchTables; the connections' search_path leads to the queue and to the progress."""

    pool: "asyncpg.Pool[Any]"

    async def create(self) -> None:
        """Creates what is missing, in the schema `public`."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("set local search_path to public")
            await connection.execute("select pg_advisory_xact_lock(hashtext('stenolog dispatch tables'))")
            await connection.execute(SQL["create"])

    async def outstanding(self) -> Outstanding:
        row = await self.pool.fetchrow(SQL["outstanding"])
        assert row is not None
        return Outstanding(*row)

    async def free_workers(self, silence_seconds_max: float) -> Sequence[FreeWorker]:
        return [
            FreeWorker(**row) for row in await self.pool.fetch(SQL["free_workers"], silence_seconds_max)
        ]

    async def waiting_users(self, jobs_max: int, but: Collection[UUID]) -> Sequence[WaitingUser]:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["by_index"])
            rows = await connection.fetch(SQL["waiting_jobs"], jobs_max, list(but))
        return [_user(list(of_user)) for _, of_user in groupby(rows, key=itemgetter("user_id"))]

    async def waiting_ahead(self, jobs_max: int) -> Sequence[AttemptKey]:
        return [AttemptKey(*row) for row in await self.pool.fetch(SQL["waiting_ahead"], jobs_max)]

    async def virtual_seconds(self) -> float:
        return float(await self.pool.fetchval(SQL["virtual_seconds"]))

    async def overdue(
        self, lease_seconds: float, but: Collection[UUID], *, silence_counts: bool = True
    ) -> Sequence[AttemptKey]:
        rows = await self.pool.fetch(SQL["overdue"], lease_seconds, list(but), silence_counts)
        return [AttemptKey(*row) for row in rows]

    async def grant(self, lease: Lease, lease_seconds: float, charge_seconds: float = 0.0) -> None:
        await self.pool.execute(
            SQL["grant"],
            lease.transcription_id,
            lease.attempt,
            lease.worker_id,
            lease.user_id,
            lease.requested_at,
            lease_seconds,
            charge_seconds,
        )

    async def end(self, ended: AttemptKey, worker_id: UUID | None = None) -> None:
        await self.pool.execute(SQL["end"], ended.transcription_id, ended.attempt, worker_id)

    async def announce(self, workers: Sequence[WorkerReady], lease_seconds: float) -> None:
        seen = _columns([_seen(worker) for worker in workers], 11)
        leased = _columns([row for worker in workers for row in _leased(worker)], 4)
        await self.pool.execute(SQL["announce"], *seen, *leased, lease_seconds)

    async def dismiss(self, workers: Collection[UUID]) -> None:
        await self.pool.execute(SQL["dismiss"], list(workers))

    async def give_up(self, workers: Collection[UUID]) -> None:
        await self.pool.execute(SQL["give_up"], list(workers))

    async def note_progress(self, reports: Sequence[ProgressReported], lease_seconds: float) -> None:
        rows = [
            (
                each.transcription_id,
                each.attempt,
                each.worker_id,
                each.done_seconds,
                each.total_seconds,
                percentage_of(each.done_seconds, each.total_seconds),
            )
            for each in reports
        ]
        windows = _columns([row for each in reports for row in _finished(each)], 7)
        await self.pool.execute(
            SQL["note_progress"], *_columns(rows, 6), lease_seconds, *windows, PROGRESS_CHANNEL
        )

    async def drop_windows(self) -> None:
        await self.pool.execute(SQL["drop_windows"])

    async def report_offsets(self) -> Mapping[int, int]:
        return dict(await self.pool.fetch(SQL["report_offsets"]))

    async def keep_offsets(self, next_offsets: Mapping[int, int]) -> None:
        await self.pool.execute(SQL["keep_offsets"], list(next_offsets), list(next_offsets.values()))


def _seen(worker: WorkerReady) -> tuple[object, ...]:
    languages = " ".join(worker.languages)
    can = worker.translates, worker.detects, worker.takes_prompt, worker.aligns
    room = worker.slots, worker.ahead, len(worker.running)
    return worker.worker_id, worker.engine, *room, languages, *can, worker.aligning


def _leased(worker: WorkerReady) -> Iterator[tuple[object, ...]]:
    waiting = set(worker.waiting)
    for attempt in worker.running:
        yield (*attempt, worker.worker_id, attempt in waiting)


def _finished(report: ProgressReported) -> Iterator[tuple[object, ...]]:
    attempt = report.transcription_id, report.attempt, report.worker_id
    for window in {each.index: each for each in report.windows}.values():
        yield (*attempt, window.index, window.start_ms, window.end_ms, window.key)


def _user(rows: Sequence["asyncpg.Record"]) -> WaitingUser:
    """The rows are the jobs of one user."""
    user_id, running, finish_seconds, arrival, *_ = rows[0]
    return WaitingUser(
        user_id=user_id,
        running=running,
        finish_seconds=finish_seconds,
        arrival=arrival,
        jobs=[
            WaitingJob(transcription_id=row[4], requested_at=row[5], charge_seconds=row[6]) for row in rows
        ],
    )


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]
