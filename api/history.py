"""What happened to a transcription, for its owner: from the log itself, in the owner's words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, assert_never
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET, Struct

from api.errors import problems
from api.paging import LIMIT_DEFAULT, CursorText, Limit, version_of
from api.parts import Parts
from api.requests import Caller
from api.transcriptions import find_owned
from domain.aligning import AlignmentEvent
from domain.attempts import HANDED_BACK
from domain.transcription import TRANSCRIPTION
from domain.transcription_events import (
    AlignmentEnded,
    AlignmentStarted,
    TranscriptAligned,
    TranscriptEdited,
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionCompleted,
    TranscriptionDeleted,
    TranscriptionEvent,
    TranscriptionFailed,
    TranscriptionRequested,
    TranscriptionStarted,
)
from infrastructure.postgres.detached import require_attached
from infrastructure.postgres.queries import load_queries
from schemas.bodies import HistoryEntry
from schemas.events import decode
from schemas.partitions import partition_of
from schemas.sealing import BLIND

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class Happened(Struct, frozen=True):
    """An event, and its place in the stream."""

    version: int
    event: TranscriptionEvent


@get(
    "/transcriptions/{transcription_id:str}/history",
    responses=problems(400, 401, 403, 404),
    tags=["transcriptions"],
)
async def get_history(
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
) -> Response[list[HistoryEntry]]:
    """What happened when, oldest first. It is never behind what you did."""
    after = version_of(cursor) or 0
    await find_owned(parts, transcription_id, caller.user_id)
    found = await _happened(parts, transcription_id, caller.user_id, after, limit + 1)
    headers = {}
    if len(found) > limit:
        query = urlencode({"limit": limit, "cursor": found[limit - 1].version})
        headers["Link"] = f'</v1/transcriptions/{transcription_id}/history?{query}>; rel="next"'
    return Response([entry_of(each.event) for each in found[:limit]], headers=headers)


async def _happened(
    parts: Parts, transcription_id: UUID, user_id: UUID, after: int, limit: int
) -> Sequence[Happened]:
    """Raises DatabaseUnavailable, or TableDetached where nobody can say."""
    partition = partition_of(user_id, parts.settings.partitions)
    stream_id = TRANSCRIPTION.stream_id(transcription_id)
    async with parts.reading() as connection:
        rows = await connection.fetch(_SQL["page"], partition, stream_id, after, limit)
        if not rows:
            await require_attached(connection, [partition])
    return [
        Happened(row["version"], _event(row["type"], row["schema_version"], row["data"])) for row in rows
    ]


def _event(name: str, schema_version: int, content: bytes) -> TranscriptionEvent:
    """Nothing personal of it is told, so that no key is needed."""
    event = decode(name, schema_version, content, keys=BLIND)
    assert isinstance(event, TranscriptionEvent)
    return event


def entry_of(event: TranscriptionEvent) -> HistoryEntry:
    """Without the ids of workers, and without what was said in or about the recording."""
    match event:
        case TranscriptionRequested():
            return HistoryEntry(
                at=event.requested_at,
                what="requested",
                message=f"You asked for the transcription; {_minutes(event.minutes)} of your quota reserved",
                minutes=event.minutes,
            )
        case TranscriptionStarted():
            message = f"Attempt {event.attempt} was given to a worker"
            return HistoryEntry(at=event.started_at, what="started", message=message, attempt=event.attempt)
        case TranscriptionAttemptFailed():
            return _attempt_failed(event)
        case TranscriptionCompleted():
            return HistoryEntry(
                at=event.completed_at,
                what="completed",
                message=f"The transcription is complete: {event.result.word_count} words",
                attempt=event.attempt,
                word_count=event.result.word_count,
                revision=1,
            )
        case TranscriptionFailed():
            return HistoryEntry(
                at=event.failed_at,
                what="failed",
                message="The transcription failed, and its minutes are yours again",
                attempt=event.attempt,
                reason=event.reason,
            )
        case TranscriptionCancelled():
            message = "You cancelled the transcription, and its minutes are yours again"
            return HistoryEntry(at=event.cancelled_at, what="cancelled", message=message)
        case TranscriptEdited() | AlignmentStarted() | TranscriptAligned() | AlignmentEnded():
            return _revised(event)
        case TranscriptionDeleted():
            message = "The transcription was deleted"
            return HistoryEntry(at=event.deleted_at, what="deleted", message=message)
        case _:
            assert_never(event)


def _revised(event: TranscriptEdited | AlignmentEvent) -> HistoryEntry:
    match event:
        case TranscriptEdited():
            return _edited(event)
        case AlignmentStarted():
            message = f"A worker looks in the sound for the words you typed in revision {event.revision}"
            return HistoryEntry(
                at=event.started_at, what="alignment_started", message=message, revision=event.revision
            )
        case AlignmentEnded():
            message = f"None of the words you typed in revision {event.revision} was found in the sound"
            return HistoryEntry(
                at=event.ended_at, what="alignment_ended", message=message, revision=event.revision
            )
        case TranscriptAligned():
            return HistoryEntry(
                at=event.aligned_at,
                what="aligned",
                message=f"{event.aligned_count} of the words you typed were found in the sound: revision {event.revision}",
                revision=event.revision,
                word_count=event.word_count,
            )
        case _:
            assert_never(event)


def _edited(event: TranscriptEdited) -> HistoryEntry:
    restored = event.restored_revision
    how = "edited the text" if restored is None else f"restored revision {restored}"
    return HistoryEntry(
        at=event.edited_at,
        what="edited" if restored is None else "restored",
        message=f"You {how}; revision {event.revision} has {event.word_count} words",
        revision=event.revision,
        word_count=event.word_count,
        restored_revision=UNSET if restored is None else restored,
    )


def _attempt_failed(event: TranscriptionAttemptFailed) -> HistoryEntry:
    """One that was handed back counts as no failure, and is not told as one."""
    handed_back = event.reason in HANDED_BACK
    how = "was handed back, and does not count" if handed_back else "failed"
    return HistoryEntry(
        at=event.failed_at,
        what="handed_back" if handed_back else "attempt_failed",
        message=f"Attempt {event.attempt} {how}",
        attempt=event.attempt,
        reason=event.reason,
    )


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"
