"""Facts: what a transcription is at this moment, for those who do not want its events. Nothing in them names or describes a person."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.log import LogRecord
from domain.moment import Moment
from domain.quota import minutes_for
from schemas.events import REGISTRY, EventType, UnknownEventType
from schemas.topics import Headers


class TranscriptionFact(Struct, frozen=True, kw_only=True):
    """The state of a transcription after `version` events.

    `minutes` were reserved for it, `minutes_debited` were paid for. Of a recording of `recording_seconds` so much could be decoded as
    `decoded_seconds` says, and is what was heard. `attempt` is the number of the last attempt; `failure` is the code of why it failed. `revision` is 1 for
    what the engine heard, and grows with each edit. A user id is an opaque id, and leads to a person only for who has the other tables.
    """

    transcription_id: UUID
    user_id: UUID
    file_id: UUID
    version: int
    status: Literal["queued", "processing", "completed", "failed", "cancelled"]
    task: str
    recording_seconds: float
    minutes: int
    minutes_debited: int = 0
    requested_at: Moment
    started_at: Moment | None = None
    ended_at: Moment | None = None
    attempt: int = 0
    failure: str | None = None
    language: str | None = None
    engine: str | None = None
    decoded_seconds: float | None = None
    processing_seconds: float | None = None
    word_count: int | None = None
    revision: int = 0


class _Job(Struct, frozen=True):
    file_id: UUID
    duration_seconds: float
    task: str = "transcribe"


class _Result(Struct, frozen=True):
    word_count: int
    language: str
    engine: str
    processing_seconds: float
    duration_seconds: float | None = None


class _Requested(Struct, frozen=True):
    transcription_id: UUID
    user_id: UUID
    job: _Job
    minutes: int
    requested_at: Moment


class _Started(Struct, frozen=True):
    attempt: int
    started_at: Moment


class _AttemptFailed(Struct, frozen=True):
    """It waits for the next attempt."""


class _Completed(Struct, frozen=True):
    result: _Result
    completed_at: Moment


class _Failed(Struct, frozen=True):
    reason: str
    failed_at: Moment


class _Cancelled(Struct, frozen=True):
    cancelled_at: Moment


class _Edited(Struct, frozen=True):
    revision: int
    word_count: int


class _Alignment(Struct, frozen=True):
    """It begins, or ends without a find: of no consequence for what a fact tells."""


class _Aligned(Struct, frozen=True):
    """The words are the same."""

    revision: int


class _Deleted(Struct, frozen=True):
    """Nothing is left to tell of it."""


_Change: TypeAlias = (
    _Requested
    | _Started
    | _AttemptFailed
    | _Completed
    | _Failed
    | _Cancelled
    | _Edited
    | _Alignment
    | _Aligned
    | _Deleted
)

_DECODERS: Final[Mapping[str, msgspec.json.Decoder[_Change]]] = {
    name: msgspec.json.Decoder(change)
    for name, change in {
        "TranscriptionRequested": _Requested,
        "TranscriptionStarted": _Started,
        "TranscriptionAttemptFailed": _AttemptFailed,
        "TranscriptionCompleted": _Completed,
        "TranscriptionFailed": _Failed,
        "TranscriptionCancelled": _Cancelled,
        "TranscriptEdited": _Edited,
        "AlignmentStarted": _Alignment,
        "AlignmentEnded": _Alignment,
        "TranscriptAligned": _Aligned,
        "TranscriptionDeleted": _Deleted,
    }.items()
}
"""Each reads only what a fact tells: what is personal is not even looked at, be it in the clear or sealed."""

FACT: Final = "TranscriptionFact"
"""Its name in `ce_type`."""
_SOURCE: Final = b"/stenolog/facts"
"""Another than that of the events: one of those has the same id."""
_ENCODER: Final = msgspec.json.Encoder()


def evolve_fact(fact: TranscriptionFact | None, record: LogRecord) -> TranscriptionFact | None:
    """After the next event of its stream; None before the first, and once it is deleted.

    Raises UnknownEventType, or ValidationError when the data does not fit the type.
    """
    decoder = _DECODERS.get(record.type)
    if decoder is None or EventType(record.type, record.schema_version) not in REGISTRY:
        raise UnknownEventType(record.type, record.schema_version)
    change = decoder.decode(record.data)
    if isinstance(change, _Requested):
        return _requested(change, fact, record.version)
    if fact is None or isinstance(change, _Deleted):
        return None
    return replace(_changed(fact, change), version=record.version)


def encode_fact(fact: TranscriptionFact) -> bytes:
    return _ENCODER.encode(fact)


def fact_headers_of(last: LogRecord) -> Headers:
    """CloudEvents, and the address of the last event that made the state what it is."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(last.event_id).encode()),
        ("ce_type", FACT.encode()),
        ("ce_source", _SOURCE),
        ("ce_time", msgspec.json.encode(last.recorded_at)[1:-1]),
        ("ce_subject", last.stream_id.encode()),
        ("seq", b"%d" % last.seq),
        ("version", b"%d" % last.version),
    ]


def _requested(change: _Requested, before: TranscriptionFact | None, version: int) -> TranscriptionFact:
    """Attempts go on counting when one that failed or was cancelled is requested again."""
    return TranscriptionFact(
        transcription_id=change.transcription_id,
        user_id=change.user_id,
        file_id=change.job.file_id,
        version=version,
        status="queued",
        task=change.job.task,
        recording_seconds=change.job.duration_seconds,
        minutes=change.minutes,
        requested_at=change.requested_at,
        attempt=before.attempt if before else 0,
    )


def _changed(
    fact: TranscriptionFact,
    change: _Started | _AttemptFailed | _Completed | _Failed | _Cancelled | _Edited | _Alignment | _Aligned,
) -> TranscriptionFact:
    match change:
        case _Started():
            return replace(fact, status="processing", attempt=change.attempt, started_at=change.started_at)
        case _AttemptFailed():
            return replace(fact, status="queued")
        case _Completed():
            return _completed(fact, change)
        case _Failed():
            return replace(fact, status="failed", failure=change.reason, ended_at=change.failed_at)
        case _Cancelled():
            return replace(fact, status="cancelled", ended_at=change.cancelled_at)
        case _Edited():
            return replace(fact, revision=change.revision, word_count=change.word_count)
        case _Alignment():
            return fact
        case _Aligned():
            return replace(fact, revision=change.revision)
        case _:
            assert_never(change)


def _completed(fact: TranscriptionFact, change: _Completed) -> TranscriptionFact:
    result = change.result
    seconds = result.duration_seconds
    return replace(
        fact,
        status="completed",
        ended_at=change.completed_at,
        minutes_debited=fact.minutes if seconds is None else min(fact.minutes, minutes_for(seconds)),
        language=result.language,
        engine=result.engine,
        decoded_seconds=seconds,
        processing_seconds=result.processing_seconds,
        word_count=result.word_count,
        revision=1,
    )
