"""Which job goes to which worker next: a pure decision, fair between users by seconds of sound.

A kind of start-time fair queueing (Goyal, Vin, Cheng 1996) behind the rule that who has the fewest jobs running
comes first. A virtual clock counts the sound that each waiting user would have been served by now, had all been
served alike. A user's jobs end on it one after the other, and whoever's last job ends first is next.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Final
from uuid import UUID

from msgspec import Struct

USERS_COUNTED_MAX: Final = 1_000
"""With more users waiting the virtual clock runs as with so many, so that nobody need count them all."""


class WaitingJob(Struct, frozen=True, kw_only=True):
    """A queued transcription; `charge_seconds` is the sound its user is charged for when it starts.

    Each request is charged once: what an attempt has finished, the next does not do again.
    """

    transcription_id: UUID
    requested_at: datetime
    charge_seconds: float


class WaitingUser(Struct, frozen=True, kw_only=True):
    """`finish_seconds` is where the user's last job ends on the virtual clock, or where they came back to wait.

    `arrival` says who began to wait first; `jobs` are those that may start, the oldest first, never none.
    """

    user_id: UUID
    running: int
    finish_seconds: float
    arrival: int
    jobs: Sequence[WaitingJob]


class FreeWorker(Struct, frozen=True, kw_only=True):
    """`places_ahead` are for jobs that begin when one of its slots is free, which is soon."""

    worker_id: UUID
    free_slots: int
    places_ahead: int = 0


class Assignment(Struct, frozen=True, kw_only=True):
    user_id: UUID
    job: WaitingJob
    worker_id: UUID


def charged(finish_seconds: float, virtual_seconds: float, charge_seconds: float) -> float:
    """Where a user's job that starts now ends on the virtual clock: service they missed is not made up for."""
    return max(finish_seconds, virtual_seconds) + charge_seconds


def advanced(virtual_seconds: float, charge_seconds: float, waiting_users: int) -> float:
    """The virtual clock after a job has started while so many users waited, the job's own among them."""
    return virtual_seconds + charge_seconds / max(1, min(waiting_users, USERS_COUNTED_MAX))


def pick(
    users: Iterable[WaitingUser], workers: Sequence[FreeWorker], virtual_seconds: float
) -> list[Assignment]:
    """Fills the free slots, then the places ahead. Next is the user with the fewest running jobs, among those the one
    served least.

    Jobs go to the worker with the most room, so that the work is spread out.
    """
    return [
        Assignment(user_id=user_id, job=job, worker_id=worker_id)
        for worker_id, (user_id, job) in zip(_places(workers), _turns(users, virtual_seconds), strict=False)
    ]


def _turns(users: Iterable[WaitingUser], virtual_seconds: float) -> Iterator[tuple[UUID, WaitingJob]]:
    """Taking a job of a user counts as one more that is running for them, and is charged at once."""
    line = [
        (user.running, user.finish_seconds, user.arrival, user.user_id, iter(user.jobs)) for user in users
    ]
    heapify(line)
    while line:
        running, finish_seconds, arrival, user_id, jobs = heappop(line)
        job = next(jobs, None)
        if job is not None:
            yield user_id, job
            ends_at = charged(finish_seconds, virtual_seconds, job.charge_seconds)
            heappush(line, (running + 1, ends_at, arrival, user_id, jobs))


def _places(workers: Sequence[FreeWorker]) -> Iterator[UUID]:
    yield from _most_first([(worker.free_slots, worker.worker_id) for worker in workers])
    yield from _most_first([(worker.places_ahead, worker.worker_id) for worker in workers])


def _most_first(places: Iterable[tuple[int, UUID]]) -> Iterator[UUID]:
    room = [(-count, worker_id) for count, worker_id in places if count > 0]
    heapify(room)
    while room:
        taken, worker_id = heappop(room)
        yield worker_id
        if taken + 1 < 0:
            heappush(room, (taken + 1, worker_id))
