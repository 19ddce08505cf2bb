"""Transcripts as they are now: their words, and files of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal
from urllib.parse import quote
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.openapi import ResponseSpec
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Struct

from api.changes import REVISION_HEADERS
from api.errors import problems
from api.etags import IF_NONE_MATCH, etag_of, headers_of, is_known, not_modified
from api.exports import FORMATS, CueSecondsMax, Format, MaxLine, MaxLines
from api.openapi import ConditionalRead
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller, sent_together
from api.transcriptions import find_owned
from domain.errors import InvalidField, TranscriptionNotCompleted
from domain.revisions import tag_of
from domain.subtitles.layout import CUE_SECONDS_DEFAULT, LINE_CELLS_DEFAULT, LINES_DEFAULT, Layout
from domain.transcription import Status
from projections.transcriptions import TranscriptionView
from schemas.bodies import TranscriptBody
from schemas.objects import TranscriptOutline, around_segments, segments_in_parts


@get(
    "/transcriptions/{transcription_id:str}/transcript",
    operation_class=ConditionalRead,
    response_headers=REVISION_HEADERS,
    responses=problems(400, 401, 403, 404, 410)
    | {
        200: ResponseSpec(TranscriptBody, description="The transcript", generate_examples=False),
        304: ResponseSpec(None, description="You have it already"),
    },
    tags=["transcriptions"],
)
async def get_transcript(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[bytes] | Stream:
    """Segments and words with their times, in milliseconds."""
    view = await find_owned(parts, transcription_id, caller.user_id)
    return await transcript_of(request, parts, view.id, _current(view))


class Shown(Struct, frozen=True):
    """A revision to show: its number, the key of its transcript and its ETag."""

    number: int
    key: str
    etag: str


async def transcript_of(
    request: AuthenticatedRequest, parts: Parts, transcription_id: UUID, shown: Shown
) -> Response[bytes] | Stream:
    """Nothing to who has it already. Raises TranscriptMissing."""
    headers = headers_of(shown.etag)
    if is_known(sent_together(request.scope, IF_NONE_MATCH), shown.etag):
        return not_modified(headers)
    outline = await parts.texts.outline(shown.key)
    body = TranscriptBody(
        transcription_id=transcription_id, revision=shown.number, transcript=outline.frame
    )
    return Stream(_in_parts(body, outline), media_type=MediaType.JSON, headers=dict(headers))


async def _in_parts(body: TranscriptBody, outline: TranscriptOutline) -> AsyncIterator[bytes]:
    """The body with its segments; each part is made once the client has taken the one before."""
    before, after = around_segments(body)
    yield before
    for part in segments_in_parts(outline):
        yield part
    yield after


@get(
    "/transcriptions/{transcription_id:str}/export",
    operation_class=ConditionalRead,
    response_headers=REVISION_HEADERS,
    responses=problems(400, 401, 403, 404, 410)
    | {
        200: ResponseSpec(str, media_type=MediaType.TEXT, description="The file", generate_examples=False),
        304: ResponseSpec(None, description="You have it already"),
    },
    tags=["transcriptions"],
)
async def export(
    *,
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    format_: Format = "txt",
    max_line: MaxLine = LINE_CELLS_DEFAULT,
    max_lines: MaxLines = LINES_DEFAULT,
    cue_seconds_max: CueSecondsMax = CUE_SECONDS_DEFAULT,
) -> Response[str] | Response[bytes]:
    """The transcript as a file to keep; the limits of a cue are for srt, vtt, ttml, lrc and csv."""
    name = format_.lower()
    if name not in FORMATS:
        raise InvalidField("format", f"has to be one of {', '.join(FORMATS)}: unsupported export format")
    layout = Layout(line_cells_max=max_line, lines_max=max_lines, cue_ms_max=round(cue_seconds_max * 1_000))
    view = await find_owned(parts, transcription_id, caller.user_id)
    shown = _current(view)
    headers = headers_of(shown.etag)
    if is_known(sent_together(request.scope, IF_NONE_MATCH), shown.etag):
        return not_modified(headers)
    transcript = await parts.texts.transcript(shown.key)
    # Cues of many hours take a moment.
    content = await asyncio.to_thread(FORMATS[name].write, transcript, layout)
    filename = f"{await _stem(parts, view.file_id)}.{name}"
    return Response(
        content,
        media_type=FORMATS[name].media_type,
        headers={**headers, "Content-Disposition": disposition("attachment", filename)},
    )


def disposition(kind: Literal["attachment", "inline"], filename: str) -> str:
    """RFC 6266: an ASCII name for old clients, and the real one as RFC 8187 has it."""
    plain = "".join(sign if sign.isascii() and sign.isprintable() else "_" for sign in filename)
    plain = plain.replace("\\", "_").replace('"', "_").replace("%", "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _current(view: TranscriptionView) -> Shown:
    """Raises TranscriptionNotCompleted."""
    if view.status != Status.COMPLETED or view.transcript_key is None or view.transcript_sha256 is None:
        raise TranscriptionNotCompleted(view.status)
    return Shown(view.revision, view.transcript_key, etag_of(tag_of(view.revision, view.transcript_sha256)))


async def _stem(parts: Parts, file_id: UUID) -> str:
    file = await parts.reads.file.answer(file_id)
    name = file.original_filename if file else ""
    return (name.rpartition(".")[0] or name) or "transcript"
