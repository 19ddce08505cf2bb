"""The dispatcher's own read model: the transcriptions that are queued or running, and nothing else."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.attempts import MOVED, failures_after
from domain.events import Event
from domain.transcription_events import (
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionCompleted,
    TranscriptionFailed,
    TranscriptionRequested,
    TranscriptionStarted,
)
from infrastructure.postgres.queries import load_queries

NAME: Final = "dispatch_queue"
SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
QUEUED: Final = "queued"
RUNNING: Final = "running"
PAUSE_FIRST_SECONDS: Final = 1.0
PAUSE_GROWTH: Final = 5
"""A fault that passes by itself gets time to: 1 s before the second attempt, 5 s before the third."""


class DispatchJob(Struct, frozen=True):
    """`attempt` is the last one started since the request, 0 before; the next starts `pause_seconds` later.

    Later than what was folded, by the database's clock: the times of events come from the clocks of many machines.
    So `requested_at` only tells requests of one file apart.
    """

    transcription_id: UUID
    user_id: UUID
    requested_at: datetime
    status: str
    duration_seconds: float
    pause_seconds: float = 0.0
    failures: int = 0
    attempt: int = 0
    worker_id: UUID | None = None


def project(row: DispatchJob | None, event: Event) -> DispatchJob | None:
    match event:
        case TranscriptionRequested():
            return DispatchJob(
                transcription_id=event.transcription_id,
                user_id=event.user_id,
                requested_at=event.requested_at,
                status=QUEUED,
                duration_seconds=event.job.duration_seconds,
            )
        case TranscriptionCompleted() | TranscriptionFailed() | TranscriptionCancelled():
            return None
        case TranscriptionStarted() if row is not None:
            return replace(
                row, status=RUNNING, pause_seconds=0.0, attempt=event.attempt, worker_id=event.worker_id
            )
        case TranscriptionAttemptFailed() if row is not None:
            return _queued_again(row, event)
        case _:
            return row


def _queued_again(row: DispatchJob, event: TranscriptionAttemptFailed) -> DispatchJob:
    return replace(
        row,
        status=QUEUED,
        pause_seconds=0.0 if event.reason == MOVED else PAUSE_FIRST_SECONDS * PAUSE_GROWTH**row.failures,
        failures=failures_after(row.failures, event.reason),
        worker_id=None,
    )


COLUMNS: Final = frozenset({*DispatchJob.__struct_fields__, "due_at", "started_at", "arrival"})
"""Of the table: the row, and what the database adds to it."""

KEYS: Final[Mapping[type[Event], Callable[[Any], UUID]]] = {
    TranscriptionRequested: lambda event: event.transcription_id,
    TranscriptionStarted: lambda event: event.transcription_id,
    TranscriptionAttemptFailed: lambda event: event.transcription_id,
    TranscriptionCompleted: lambda event: event.transcription_id,
    TranscriptionFailed: lambda event: event.transcription_id,
    TranscriptionCancelled: lambda event: event.transcription_id,
}
