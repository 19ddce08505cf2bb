"""The revisions of a transcript: which there were, each as it was, and back to one of them. From the log itself, so never behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import UNSET, Struct

from api.changes import REVISION_HEADERS, expected_by, revised
from api.errors import problems
from api.etags import etag_of
from api.openapi import Change, ConditionalRead
from api.paging import LIMIT_DEFAULT, CursorText, Limit, version_of
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller
from api.transcriptions import find_owned
from api.transcripts import Shown, transcript_of
from commands.restore_revision import RestoreRevision, restore_revision
from domain.errors import RevisionNotFound
from domain.revisions import Revision, revision_of
from domain.transcription import TRANSCRIPTION
from domain.transcription_events import TranscriptionEvent
from infrastructure.postgres.detached import require_attached
from infrastructure.postgres.queries import load_queries
from schemas.bodies import INTEGER_MAX, RevisionBody, TranscriptBody, TranscriptChange
from schemas.events import decode
from schemas.partitions import partition_of
from schemas.sealing import BLIND

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
_TYPES: Final = ("TranscriptionCompleted", "TranscriptEdited", "TranscriptAligned")
"""Of the events that make one."""


class Stored(Struct, frozen=True):
    """A revision, and the version of its event."""

    version: int
    revision: Revision


@get(
    "/transcriptions/{transcription_id:str}/revisions",
    responses=problems(400, 401, 403, 404, 410),
    tags=["transcriptions"],
)
async def list_revisions(
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
) -> Response[list[RevisionBody]]:
    """Every transcript there was of the recording, newest first; the first is what the engine heard."""
    before = version_of(cursor)
    await find_owned(parts, transcription_id, caller.user_id)
    found = await _page(parts, transcription_id, caller.user_id, before, limit + 1)
    headers = {}
    if len(found) > limit:
        query = urlencode({"limit": limit, "cursor": found[limit - 1].version})
        headers["Link"] = f'</v1/transcriptions/{transcription_id}/revisions?{query}>; rel="next"'
    return Response([_body(each.revision) for each in found[:limit]], headers=headers)


@get(
    "/transcriptions/{transcription_id:str}/revisions/{number:str}",
    operation_class=ConditionalRead,
    response_headers=REVISION_HEADERS,
    responses=problems(400, 401, 403, 404, 410)
    | {
        200: ResponseSpec(TranscriptBody, description="The transcript", generate_examples=False),
        304: ResponseSpec(None, description="You have it already"),
    },
    tags=["transcriptions"],
)
async def get_revision(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    number: FromPath[int],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[bytes] | Stream:
    """The transcript as it was."""
    await find_owned(parts, transcription_id, caller.user_id)
    revision = await find_revision(parts, transcription_id, caller.user_id, number)
    shown = Shown(revision.number, revision.transcript_key, etag_of(revision.tag))
    return await transcript_of(request, parts, transcription_id, shown)


@post(
    "/transcriptions/{transcription_id:str}/revisions/{number:str}/restore",
    status_code=200,
    operation_class=Change,
    response_headers=REVISION_HEADERS,
    responses=problems(400, 401, 403, 404, 410, 412),
    tags=["transcriptions"],
)
async def restore(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    number: FromPath[int],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[TranscriptChange]:
    """Makes the words of an earlier revision the current ones, as a new revision: nothing in between is lost."""
    expected = expected_by(request)
    await find_owned(parts, transcription_id, caller.user_id)
    restoring = RestoreRevision(
        transcription_id=transcription_id,
        user_id=caller.user_id,
        revision=await find_revision(parts, transcription_id, caller.user_id, number),
        restored_at=parts.clock.now(),
        expected=expected,
    )
    left = await restore_revision(restoring, parts.store, parts.objects, caller.provenance)
    return await revised(request, parts, transcription_id, left, f"Revision {number} restored successfully")


async def find_revision(parts: Parts, transcription_id: UUID, user_id: UUID, number: int) -> Revision:
    """Raises RevisionNotFound, DatabaseUnavailable, or TableDetached where nobody can say."""
    if 1 <= number <= INTEGER_MAX:
        for each in await _stored(parts, "one", transcription_id, user_id, number):
            return each.revision
    raise RevisionNotFound(transcription_id, number)


async def _page(
    parts: Parts, transcription_id: UUID, user_id: UUID, before: int | None, limit: int
) -> Sequence[Stored]:
    last = INTEGER_MAX if before is None else before
    return await _stored(parts, "page", transcription_id, user_id, last, limit)


async def _stored(
    parts: Parts, query: str, transcription_id: UUID, user_id: UUID, *which: int
) -> Sequence[Stored]:
    """Raises DatabaseUnavailable, or TableDetached where nobody can say."""
    partition = partition_of(user_id, parts.settings.partitions)
    stream_id = TRANSCRIPTION.stream_id(transcription_id)
    async with parts.reading() as connection:
        rows = await connection.fetch(_SQL[query], partition, stream_id, _TYPES, *which)
        if not rows:
            await require_attached(connection, [partition])
    return [
        Stored(row["version"], _revision(row["type"], row["schema_version"], row["data"])) for row in rows
    ]


def _revision(name: str, schema_version: int, content: bytes) -> Revision:
    """Nothing personal of it is told, so that no key is needed."""
    event = decode(name, schema_version, content, keys=BLIND)
    assert isinstance(event, TranscriptionEvent)
    revision = revision_of(event)
    assert revision is not None
    return revision


def _body(revision: Revision) -> RevisionBody:
    restored = revision.restored_revision
    return RevisionBody(
        revision=revision.number,
        made_by=revision.making,
        made_at=revision.made_at,
        word_count=revision.word_count,
        restored_revision=UNSET if restored is None else restored,
    )
