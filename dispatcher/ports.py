"""What the dispatcher keeps between two looks, and where it hears from workers, as protocols."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct

from dispatcher.pick import FreeWorker, WaitingUser
from schemas.messages import ProgressReported, Report, WorkerReady

ReceivedReport: TypeAlias = tuple[int, int, Report]
"""Partition, offset, report."""


class AttemptKey(Struct, frozen=True):
    transcription_id: UUID
    attempt: int


class Lease(Struct, frozen=True, kw_only=True):
    """The worker's promise to report about an attempt; `requested_at` tells requests of one file apart."""

    transcription_id: UUID
    attempt: int
    worker_id: UUID
    user_id: UUID
    requested_at: datetime


class Outstanding(Struct, frozen=True):
    """Whether there are attempts that somebody has in hand, jobs that wait, and attempts that wait at their workers; and what
    the database's clock says.
    """

    held: bool
    queued: bool
    ahead: bool
    clock_seconds: float


class DispatchTables(Protocol):
    """Times are the database's, so that dispatchers with different clocks agree."""

    async def outstanding(self) -> Outstanding: ...

    async def free_workers(self, silence_seconds_max: float) -> Sequence[FreeWorker]:
        """Workers with room for more than they hold leases of, heard of not longer ago than that.

        There are places ahead only where the worker has said so knowing of all that it holds leases of.
        """
        ...

    async def waiting_users(self, jobs_max: int, but: Collection[UUID]) -> Sequence[WaitingUser]:
        """All that the fair choice of so many jobs, 64 at the most, may depend on: jobs that are due and have no
        lease, except some. Takes as long for a short queue as for a long one.
        """
        ...

    async def waiting_ahead(self, jobs_max: int) -> Sequence[AttemptKey]:
        """Attempts that wait for a slot at workers whose slots are all taken."""
        ...

    async def virtual_seconds(self) -> float:
        """Where the virtual clock stands."""
        ...

    async def overdue(
        self, lease_seconds: float, but: Collection[UUID], *, silence_counts: bool = True
    ) -> Sequence[AttemptKey]:
        """Attempts whose worker was given up, and where silence counts those whose lease has run out, and those
        that have been running for so long without any.
        """
        ...

    async def grant(self, lease: Lease, lease_seconds: float, charge_seconds: float = 0.0) -> None:
        """Writes the lease, and if it is new charges its user and moves the virtual clock."""
        ...

    async def end(self, ended: AttemptKey, worker_id: UUID | None = None) -> None:
        """Removes the lease of exactly this attempt, if there is one, and if this worker holds it."""
        ...

    async def announce(self, workers: Sequence[WorkerReady], lease_seconds: float) -> None:
        """Notes that these workers are there, and brings their leases in line with what they say is running or waits."""
        ...

    async def dismiss(self, workers: Collection[UUID]) -> None:
        """Forgets workers that have left; their leases run on."""
        ...

    async def give_up(self, workers: Collection[UUID]) -> None:
        """Lets all leases of these workers run out at once."""
        ...

    async def note_progress(self, reports: Sequence[ProgressReported], lease_seconds: float) -> None:
        """Renews leases, moves progress forward and notes finished windows, where attempt and worker are those of the lease."""
        ...

    async def drop_windows(self) -> None:
        """Forgets finished windows of what is no longer queued or running."""
        ...

    async def report_offsets(self) -> Mapping[int, int]: ...

    async def keep_offsets(self, next_offsets: Mapping[int, int]) -> None: ...


class Leaving(Struct, frozen=True):
    """Somebody who is to be erased, and for how many seconds they have been, by the database's clock."""

    user_id: UUID
    seconds: float


class Erasures(Protocol):
    """Who is to be erased, and what of them is in the database and is no fold. Times are the database's."""

    async def under_way(self) -> Sequence[Leaving]:
        """Those who asked for it and are not erased yet, the first of them first."""
        ...

    async def done_within(self, seconds: float) -> Sequence[UUID]:
        """Those who were erased so lately."""
        ...

    async def come_back(self) -> Sequence[UUID]:
        """Those of whom the log says that they asked for it, and the credentials or the keys say no more so: their tables
        were restored from a backup.
        """
        ...

    async def open_streams_of(self, user_id: UUID) -> Sequence[str]:
        """The ids of their files and transcriptions that are not deleted."""
        ...

    async def is_worked_for(self, user_id: UUID) -> bool:
        """Whether a worker has, or may have, one of their recordings in hand."""
        ...

    async def forget(self, user_id: UUID) -> None:
        """Marks them, if they are not, and forgets their address, the hash of their password, from where they came, how far their jobs were, what was finished of them, what was indexed of theirs, and what they were answered."""
        ...

    async def finish(self, user_id: UUID) -> None:
        """Notes that they are erased."""
        ...


class DueRemoval(Struct, frozen=True):
    """Something deleted whose objects are to go, and how often they were looked for; `kind` is FILE or TRANSCRIPTION."""

    id: UUID
    kind: str
    user_id: UUID
    passes: int


class Removals(Protocol):
    """What is deleted and may still have objects. Times are the database's."""

    async def due(self, removals_max: int) -> Sequence[DueRemoval]:
        """Those whose objects are to be looked for now, the longest due first."""
        ...

    async def put_off(self, removal: DueRemoval, passes: int, seconds: float) -> None:
        """Notes how often its objects were removed by now, and when to look once more."""
        ...

    async def finish(self, removal: DueRemoval) -> None:
        """Notes that nothing can be left."""
        ...


class ReportFeed(Protocol):
    """The reports topic, from where the dispatcher left off; entered before use."""

    async def next_batch(self, timeout_seconds: float) -> Sequence[ReceivedReport]: ...
