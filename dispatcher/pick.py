"""Which job goes to which worker next: a pure decision."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import groupby
from uuid import UUID

from msgspec import Struct


class WaitingJob(Struct, frozen=True, kw_only=True):
    """A queued transcription; `running` is how many jobs of its user are running."""

    transcription_id: UUID
    user_id: UUID
    requested_at: datetime
    running: int


class FreeWorker(Struct, frozen=True, kw_only=True):
    worker_id: UUID
    free_slots: int


class Assignment(Struct, frozen=True, kw_only=True):
    job: WaitingJob
    worker_id: UUID


def pick(jobs: Sequence[WaitingJob], workers: Sequence[FreeWorker]) -> list[Assignment]:
    """Fills the free slots, the user with the fewest running jobs first, then the oldest job.

    Jobs go to the worker with the most room, so that the work is spread out.
    """
    return [
        Assignment(job=job, worker_id=worker_id)
        for job, worker_id in zip(_in_fair_order(jobs), _slots(workers), strict=False)
    ]


def _in_fair_order(jobs: Sequence[WaitingJob]) -> Iterable[WaitingJob]:
    """Taking a job of a user counts as one more that is running for them."""
    by_user = sorted(jobs, key=lambda job: (job.user_id, job.requested_at, job.transcription_id))
    turns = [
        (job.running + place, job.requested_at, job.transcription_id, job)
        for _, of_user in groupby(by_user, key=lambda job: job.user_id)
        for place, job in enumerate(of_user)
    ]
    return [job for *_, job in sorted(turns, key=lambda turn: turn[:3])]


def _slots(workers: Iterable[FreeWorker]) -> Iterable[UUID]:
    room = [(-worker.free_slots, worker.worker_id) for worker in workers if worker.free_slots > 0]
    heapify(room)
    while room:
        taken, worker_id = heappop(room)
        yield worker_id
        if taken + 1 < 0:
            heappush(room, (taken + 1, worker_id))
