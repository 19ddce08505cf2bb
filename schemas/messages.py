"""What workers report: the messages on the reports topic."""

from typing import Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.transcription_events import Result


class WorkerReady(Struct, frozen=True, kw_only=True, tag="WorkerReady"):
    """Sent at start, every few seconds and at each change; `slots` is how many jobs fit, busy ones included.

    `ahead` is how many more may be sent although none is free, because one is about to be. `running` names all attempts
    in hand, so that a lease is renewed also between two progress reports; those of them in `waiting` have no slot yet. `languages`
    and what follows are the abilities of its model, as in domain.languages. `aligning` is the transcription whose typed words it
    looks for in the sound whenever it has no attempt in hand.
    """

    worker_id: UUID
    engine: str
    slots: int
    ahead: int = 0
    running: tuple[tuple[UUID, int], ...] = ()
    waiting: tuple[tuple[UUID, int], ...] = ()
    languages: tuple[str, ...] = ()
    translates: bool = True
    detects: bool = True
    takes_prompt: bool = True
    aligns: bool = False
    aligning: UUID | None = None


class WorkerLeaving(Struct, frozen=True, kw_only=True, tag="WorkerLeaving"):
    """The worker is shutting down and takes no more jobs."""

    worker_id: UUID


class WorkerGone(Struct, frozen=True, kw_only=True, tag="WorkerGone"):
    """Nothing more comes from this worker: what it holds is lost. Its own last word, or that of its successor."""

    worker_id: UUID


WINDOWS_MAX: Final = 50
"""In one report, so that it stays a few kilobytes; the others come with the next one."""


class FinishedWindow(Struct, frozen=True, kw_only=True):
    """A stretch of the recording whose words lie in the object store under `key`, until the transcription has ended."""

    index: int
    start_ms: int
    end_ms: int
    key: str


class ProgressReported(Struct, frozen=True, kw_only=True, tag="ProgressReported"):
    """Seconds of the recording that are done; renews the lease of the attempt.

    `windows` are those that are finished and were in no report of this attempt before, in order, at most WINDOWS_MAX.
    An attempt begins with those it found finished, so that all its reports together name every window there is, but
    for those of its last moments: then the transcript is there.
    """

    worker_id: UUID
    transcription_id: UUID
    attempt: int
    done_seconds: float
    total_seconds: float
    windows: tuple[FinishedWindow, ...] = ()


class AttemptSucceeded(Struct, frozen=True, kw_only=True, tag="AttemptSucceeded"):
    worker_id: UUID
    transcription_id: UUID
    attempt: int
    result: Result


class AttemptFaulted(Struct, frozen=True, kw_only=True, tag="AttemptFaulted"):
    """`permanent` when another attempt could not do better (unreadable media)."""

    worker_id: UUID
    transcription_id: UUID
    attempt: int
    reason: str
    permanent: bool


class AlignmentReported(Struct, frozen=True, kw_only=True, tag="AlignmentReported"):
    """Typed words of a revision were looked for: the transcript has measured times for `aligned_count` of them, and all others as they were.

    With 0 it is the transcript of the revision itself, and there is nothing to find in it.
    """

    worker_id: UUID
    transcription_id: UUID
    revision: int
    attempt: int
    transcript_key: str
    transcript_sha256: str
    word_count: int
    aligned_count: int


Report: TypeAlias = (
    WorkerReady
    | WorkerLeaving
    | WorkerGone
    | ProgressReported
    | AttemptSucceeded
    | AttemptFaulted
    | AlignmentReported
)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[Report]] = msgspec.json.Decoder(Report)


def encode_report(report: Report) -> bytes:
    return _ENCODER.encode(report)


def decode_report(data: bytes) -> Report:
    """Raises msgspec.DecodeError when the data is no report."""
    return _DECODER.decode(data)
