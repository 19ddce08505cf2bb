"""The dispatcher's tables in memory, over a log in memory, with a clock that a test moves."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Self
from uuid import UUID

from dispatcher.pick import FreeWorker, WaitingJob, WaitingUser, advanced, charged
from dispatcher.ports import AttemptKey, Lease, Outstanding, ReceivedReport
from dispatcher.queue import KEYS, QUEUED, RUNNING, DispatchJob, project
from dispatcher.tables import percentage_of
from infrastructure.memory import InMemoryEventStore
from schemas.events import opened
from schemas.messages import FinishedWindow, ProgressReported, Report, WorkerReady
from schemas.sealing import BLIND
from tests.builders import NOON

SECONDS_A_BATCH = 0.1
PAUSE_SECONDS_MAX = 60.0
"""What is due later was queued before the clock was set back."""


class MovedClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Folded(NamedTuple):
    """A row of the queue, when it came to be what it is, and its place among the arrivals."""

    row: DispatchJob
    since: datetime
    arrival: int


class Place(NamedTuple):
    finish_seconds: float
    arrival: int


class MemoryDispatchTables:
    """Implements DispatchTables. `lagging` keeps the queue as it is while the log goes on.

    The time of an event is when the store recorded it: the database's clock, here.
    """

    def __init__(self, store: InMemoryEventStore, clock: MovedClock) -> None:
        self._store = store
        self._clock = clock
        self._queue: dict[UUID, Folded] = {}
        self._virtual_seconds = self._entry_seconds = 0.0
        self._places: dict[UUID, Place] = {}
        self._waiting: set[UUID] = set()
        self.lagging = False
        self.workers: dict[UUID, tuple[int, float]] = {}
        self.announced: dict[UUID, WorkerReady] = {}
        self.leases: dict[UUID, tuple[Lease, float]] = {}
        self.progress: dict[UUID, tuple[int, float, int]] = {}
        self._progress_of: dict[UUID, datetime] = {}
        self.windows: dict[tuple[UUID, int], tuple[datetime, int, FinishedWindow]] = {}
        self.offsets: dict[int, int] = {}
        self.refused: UUID | None = None
        """A worker whose announcement no column can hold."""
        self.away = False
        """Nothing that is written arrives."""
        self.jumped_seconds = 0.0
        """So far the database's clock was set forward, or back."""

    @property
    def _seconds(self) -> float:
        return self._clock.seconds + self.jumped_seconds

    def queue(self) -> dict[UUID, Folded]:
        if not self.lagging:
            self._queue = self._folded()
            self._enter(each for each in self._queue.values() if each.row.status == QUEUED)
        return self._queue

    def _folded(self) -> dict[UUID, Folded]:
        rows: dict[UUID, Folded] = {}
        for arrival, record in enumerate(self._store):
            event = opened(record, BLIND)
            if type(event) not in KEYS:
                continue
            key = KEYS[type(event)](event)
            before = rows.pop(key, None)
            row = project(before.row if before else None, event)
            if row is not None:
                is_the_same = before is not None and before.row.requested_at == row.requested_at
                place = before.arrival if before and is_the_same else arrival
                rows[key] = Folded(row, record.recorded_at, place)
        return rows

    def _enter(self, queued: Iterable[Folded]) -> None:
        """Who has begun to wait comes in where the virtual clock was when the last job started."""
        waiting: dict[UUID, int] = {}
        for each in sorted(queued, key=lambda each: each.arrival):
            waiting.setdefault(each.row.user_id, each.arrival)
        for user_id in waiting.keys() - self._waiting:
            before = self._places.get(user_id, Place(0.0, 0))
            self._places[user_id] = Place(max(before.finish_seconds, self._entry_seconds), waiting[user_id])
        self._waiting = set(waiting)

    async def outstanding(self) -> Outstanding:
        states = {row.status for row, _, _ in self.queue().values()}
        said = (waiting for each in self.announced.values() for waiting in each.waiting)
        return Outstanding(
            held=bool(self.leases) or RUNNING in states,
            queued=QUEUED in states,
            ahead=any(
                each == (key, lease.attempt) for each in said for key, (lease, _) in self.leases.items()
            ),
            clock_seconds=self._seconds,
        )

    async def free_workers(self, silence_seconds_max: float) -> Sequence[FreeWorker]:
        since = self._seconds - silence_seconds_max
        rooms = [
            FreeWorker(
                worker_id=worker_id,
                free_slots=max(0, slots - len(self.leased_to(worker_id))),
                places_ahead=self._places_ahead(worker_id),
            )
            for worker_id, (slots, seen_at) in self.workers.items()
            if since < seen_at <= self._seconds + 1
        ]
        return [room for room in rooms if room.free_slots or room.places_ahead]

    def _places_ahead(self, worker_id: UUID) -> int:
        said = self.announced[worker_id]
        held = {(lease.transcription_id, lease.attempt) for lease in self.leased_to(worker_id)}
        if held != set(said.running):
            return 0
        return max(0, min(said.ahead, said.slots + said.ahead - len(held)))

    async def waiting_ahead(self, jobs_max: int) -> Sequence[AttemptKey]:
        leases = sorted((lease for lease, _ in self.leases.values()), key=lambda each: each.requested_at)
        waiting = [
            AttemptKey(lease.transcription_id, lease.attempt)
            for lease in leases
            if (said := self.announced.get(lease.worker_id))
            and (lease.transcription_id, lease.attempt) in said.waiting
            and len(self.leased_to(lease.worker_id)) > said.slots
        ]
        return waiting[:jobs_max]

    async def waiting_users(self, jobs_max: int, but: Collection[UUID]) -> Sequence[WaitingUser]:
        running = Counter(lease.user_id for lease, _ in self.leases.values())
        jobs: dict[UUID, list[WaitingJob]] = {}
        for key, (row, since, _) in sorted(self.queue().items(), key=lambda item: item[1].arrival):
            due_at = since + timedelta(seconds=row.pause_seconds)
            pause_seconds = (due_at - self._clock.now()).total_seconds()
            if row.status != QUEUED or key in self.leases or key in but:
                continue
            if 0 < pause_seconds <= PAUSE_SECONDS_MAX:
                continue
            job = WaitingJob(
                transcription_id=key,
                requested_at=row.requested_at,
                charge_seconds=0.0 if row.attempt else row.duration_seconds,
            )
            jobs.setdefault(row.user_id, []).append(job)
        return [
            WaitingUser(
                user_id=user_id,
                running=running[user_id],
                finish_seconds=self._places[user_id].finish_seconds,
                arrival=self._places[user_id].arrival,
                jobs=of_user[:jobs_max],
            )
            for user_id, of_user in jobs.items()
        ]

    async def virtual_seconds(self) -> float:
        return self._virtual_seconds

    async def overdue(
        self, lease_seconds: float, but: Collection[UUID], *, silence_counts: bool = True
    ) -> Sequence[AttemptKey]:
        expired = [
            AttemptKey(key, lease.attempt)
            for key, (lease, expires_at) in self.leases.items()
            if key not in but
            and (
                expires_at == float("-inf")
                or (silence_counts and not 0 <= expires_at - self._seconds <= 2 * lease_seconds)
            )
        ]
        if not silence_counts:
            return expired
        now, lease = self._clock.now(), timedelta(seconds=lease_seconds)
        return expired + [
            AttemptKey(key, row.attempt)
            for key, (row, since, _) in self.queue().items()
            if row.status == RUNNING and abs(now - since) > lease
            if key not in self.leases and key not in but
        ]

    async def grant(self, lease: Lease, lease_seconds: float, charge_seconds: float = 0.0) -> None:
        self._require_there()
        held = self.leases.get(lease.transcription_id)
        if held is None or held[0].attempt < lease.attempt:
            self.leases[lease.transcription_id] = (lease, self._seconds + lease_seconds)
            self._charge(lease.user_id, charge_seconds)

    def _charge(self, user_id: UUID, charge_seconds: float) -> None:
        place = self._places.get(user_id)
        if not charge_seconds:
            return
        if place is not None:
            ends_at = charged(place.finish_seconds, self._virtual_seconds, charge_seconds)
            self._places[user_id] = place._replace(finish_seconds=ends_at)
        self._entry_seconds = self._virtual_seconds
        self._virtual_seconds = advanced(self._virtual_seconds, charge_seconds, len(self._waiting))

    async def end(self, ended: AttemptKey, worker_id: UUID | None = None) -> None:
        self._require_there()
        lease, _ = self.leases.get(ended.transcription_id, (None, 0.0))
        if lease is None or lease.attempt != ended.attempt:
            return
        if worker_id in (None, lease.worker_id):
            del self.leases[ended.transcription_id]

    async def announce(self, workers: Sequence[WorkerReady], lease_seconds: float) -> None:
        self._require_there()
        if self.refused in {worker.worker_id for worker in workers}:
            raise OverflowError
        for worker in workers:
            self.workers[worker.worker_id] = (worker.slots, self._seconds)
            self.announced[worker.worker_id] = worker
            for transcription_id, attempt in worker.running:
                self._renew(transcription_id, attempt, worker.worker_id, lease_seconds)
                self._adopt(transcription_id, attempt, worker.worker_id, lease_seconds)
            for lease in self.leased_to(worker.worker_id):
                self._drop_if_ended(lease, worker)

    def _renew(self, transcription_id: UUID, attempt: int, worker_id: UUID, lease_seconds: float) -> bool:
        lease, _ = self.leases.get(transcription_id, (None, 0.0))
        if lease is None or (lease.attempt, lease.worker_id) != (attempt, worker_id):
            return False
        self.leases[transcription_id] = (lease, self._seconds + lease_seconds)
        return True

    def _adopt(self, transcription_id: UUID, attempt: int, worker_id: UUID, lease_seconds: float) -> None:
        folded = self.queue().get(transcription_id)
        if folded is None or transcription_id in self.leases:
            return
        row = folded.row
        if (row.status, row.attempt, row.worker_id) == (RUNNING, attempt, worker_id):
            lease = Lease(
                transcription_id=transcription_id,
                attempt=attempt,
                worker_id=worker_id,
                user_id=row.user_id,
                requested_at=row.requested_at,
            )
            self.leases[transcription_id] = (lease, self._seconds + lease_seconds)

    def _drop_if_ended(self, lease: Lease, worker: WorkerReady) -> None:
        folded = self.queue().get(lease.transcription_id)
        listed = (lease.transcription_id, lease.attempt) in worker.running
        if not listed and (folded is None or folded.row.requested_at != lease.requested_at):
            del self.leases[lease.transcription_id]

    async def dismiss(self, workers: Collection[UUID]) -> None:
        for worker_id in workers:
            self.workers.pop(worker_id, None)

    async def give_up(self, workers: Collection[UUID]) -> None:
        for key, (lease, _) in self.leases.items():
            if lease.worker_id in workers:
                self.leases[key] = (lease, float("-inf"))

    async def note_progress(self, reports: Sequence[ProgressReported], lease_seconds: float) -> None:
        for each in reports:
            if self._renew(each.transcription_id, each.attempt, each.worker_id, lease_seconds):
                self._move(each)
                self._finish(each)

    def _finish(self, report: ProgressReported) -> None:
        requested_at = self.leases[report.transcription_id][0].requested_at
        for window in report.windows:
            place = report.transcription_id, window.index
            self.windows[place] = requested_at, report.attempt, window

    async def drop_windows(self) -> None:
        requests = {key: folded.row.requested_at for key, folded in self.queue().items()}
        self.windows = {
            place: finished
            for place, finished in self.windows.items()
            if requests.get(place[0]) == finished[0]
        }

    def _move(self, report: ProgressReported) -> None:
        key, requested_at = report.transcription_id, self.leases[report.transcription_id][0].requested_at
        known = self.progress.get(key)
        if known is None or self._progress_of[key] != requested_at or report.done_seconds > known[1]:
            percentage = percentage_of(report.done_seconds, report.total_seconds)
            self.progress[key] = (report.attempt, report.done_seconds, percentage)
            self._progress_of[key] = requested_at

    async def report_offsets(self) -> Mapping[int, int]:
        return self.offsets

    async def keep_offsets(self, next_offsets: Mapping[int, int]) -> None:
        self._require_there()
        self.offsets |= next_offsets

    def _require_there(self) -> None:
        if self.away:
            raise ConnectionError

    def leased_to(self, worker_id: UUID) -> list[Lease]:
        return [lease for lease, _ in self.leases.values() if lease.worker_id == worker_id]


class Chatter:
    """A reports topic: first what is said in `backlog`, then each of `alive` over and over, as time goes by."""

    def __init__(self, clock: MovedClock, backlog: Sequence[Report] = ()) -> None:
        self.alive: list[WorkerReady] = []
        self._clock = clock
        self._backlog = backlog
        self._offset = 0

    async def next_batch(self, timeout_seconds: float) -> Sequence[ReceivedReport]:
        await asyncio.sleep(timeout_seconds)
        self._clock.seconds += SECONDS_A_BATCH
        reports, self._backlog = [*self._backlog, *self.alive], ()
        self._offset += len(reports)
        return [(0, offset, each) for offset, each in enumerate(reports, self._offset - len(reports))]

    async def open(self) -> "Chatter":
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...
