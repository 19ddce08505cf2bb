"""What a worker reports about itself and its attempts, as messages."""

from uuid import UUID

from domain.transcription_events import Result
from inference_worker.attempts import Attempt, Attempts
from inference_worker.faults import Fault
from inference_worker.ports import RunningEngine
from schemas.messages import AttemptFaulted, AttemptSucceeded, ProgressReported, WorkerReady


def readiness_of(
    engine: RunningEngine,
    worker_id: UUID,
    attempts: Attempts,
    slots: int,
    ahead: int,
    *,
    aligning: UUID | None = None,
) -> WorkerReady:
    abilities = engine.abilities
    return WorkerReady(
        worker_id=worker_id,
        engine=engine.name,
        slots=slots,
        ahead=ahead,
        running=tuple(each.identity for each in attempts),
        waiting=tuple(each.identity for each in attempts if not each.has_begun),
        languages=abilities.languages,
        translates=abilities.translates,
        detects=abilities.detects,
        takes_prompt=abilities.takes_prompt,
        aligns=abilities.aligns,
        aligning=aligning,
    )


def progress_of(attempt: Attempt, worker_id: UUID) -> ProgressReported:
    return ProgressReported(
        worker_id=worker_id,
        transcription_id=attempt.started.transcription_id,
        attempt=attempt.started.attempt,
        done_seconds=attempt.done_seconds,
        total_seconds=attempt.started.job.duration_seconds,
        windows=attempt.windows_to_tell(),
    )


def success_of(attempt: Attempt, worker_id: UUID, result: Result) -> AttemptSucceeded:
    return AttemptSucceeded(
        worker_id=worker_id,
        transcription_id=attempt.started.transcription_id,
        attempt=attempt.started.attempt,
        result=result,
    )


def fault_of(attempt: Attempt, worker_id: UUID, fault: Fault) -> AttemptFaulted:
    return AttemptFaulted(
        worker_id=worker_id,
        transcription_id=attempt.started.transcription_id,
        attempt=attempt.started.attempt,
        reason=fault.reason,
        permanent=fault.permanent,
    )
