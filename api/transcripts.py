"""Transcripts: their words, their text as people change it, and files of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Literal
from urllib.parse import quote
from uuid import UUID

from litestar import Response, get, put
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from api.consistency import settle
from api.errors import problems
from api.exports import FORMATS, CueSecondsMax, Format, MaxLine, MaxLines
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller
from api.transcriptions import find_owned
from commands.edit_transcript import ChangeText, edit_transcript
from domain.errors import InvalidField, TranscriptionNotCompleted
from domain.subtitles.layout import CUE_SECONDS_DEFAULT, LINE_CELLS_DEFAULT, LINES_DEFAULT, Layout
from domain.transcription import Status
from projections.transcriptions import TranscriptionView
from schemas.bodies import TextEdit, TranscriptBody, TranscriptionChange
from schemas.objects import TranscriptOutline, around_segments, segments_in_parts

TEXT_BODY_BYTES_MAX: Final = 8 << 20


@get(
    "/transcriptions/{transcription_id:str}/transcript",
    responses=problems(400, 401, 403, 404, 410)
    | {200: ResponseSpec(TranscriptBody, description="The transcript", generate_examples=False)},
    tags=["transcriptions"],
)
async def get_transcript(
    transcription_id: FromPath[UUID], caller: NamedDependency[Caller], parts: NamedDependency[Parts]
) -> Stream:
    """Segments and words with their times, in milliseconds."""
    view = await find_owned(parts, transcription_id, caller.user_id)
    outline = await parts.texts.outline(_key_of(view))
    body = TranscriptBody(transcription_id=view.id, revision=view.revision, transcript=outline.frame)
    return Stream(_in_parts(body, outline), media_type=MediaType.JSON)


async def _in_parts(body: TranscriptBody, outline: TranscriptOutline) -> AsyncIterator[bytes]:
    """The body with its segments; each part is made once the client has taken the one before."""
    before, after = around_segments(body)
    yield before
    for part in segments_in_parts(outline):
        yield part
    yield after


@put(
    "/transcriptions/{transcription_id:str}/text",
    request_max_body_size=TEXT_BODY_BYTES_MAX,
    responses=problems(400, 401, 403, 404, 410, 413),
    tags=["transcriptions"],
)
async def put_text(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    data: JSONBody[TextEdit],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> TranscriptionChange:
    """Replaces the text; words that stay keep their times."""
    change = ChangeText(
        transcription_id=transcription_id,
        user_id=caller.user_id,
        text=data.transcript_text,
        changed_at=parts.clock.now(),
    )
    address = await edit_transcript(change, parts.store, parts.objects, caller.provenance)
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
    return TranscriptionChange(
        transcription_id=transcription_id,
        status=Status.COMPLETED,
        message="Transcript updated successfully",
    )


@get(
    "/transcriptions/{transcription_id:str}/export",
    responses=problems(400, 401, 403, 404, 410)
    | {200: ResponseSpec(str, media_type=MediaType.TEXT, description="The file", generate_examples=False)},
    tags=["transcriptions"],
)
async def export(
    *,
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    format_: Format = "txt",
    max_line: MaxLine = LINE_CELLS_DEFAULT,
    max_lines: MaxLines = LINES_DEFAULT,
    cue_seconds_max: CueSecondsMax = CUE_SECONDS_DEFAULT,
) -> Response[str]:
    """The transcript as a file to keep; the limits of a cue are for srt, vtt, ttml, lrc and csv."""
    name = format_.lower()
    if name not in FORMATS:
        raise InvalidField("format", f"has to be one of {', '.join(FORMATS)}: unsupported export format")
    layout = Layout(line_cells_max=max_line, lines_max=max_lines, cue_ms_max=round(cue_seconds_max * 1_000))
    view = await find_owned(parts, transcription_id, caller.user_id)
    transcript = await parts.texts.transcript(_key_of(view))
    # Cues of many hours take a moment.
    content = await asyncio.to_thread(FORMATS[name].write, transcript, layout)
    filename = f"{await _stem(parts, view.file_id)}.{name}"
    return Response(
        content,
        media_type=FORMATS[name].media_type,
        headers={"Content-Disposition": disposition("attachment", filename)},
    )


def disposition(kind: Literal["attachment", "inline"], filename: str) -> str:
    """RFC 6266: an ASCII name for old clients, and the real one as RFC 8187 has it."""
    plain = "".join(sign if sign.isascii() and sign.isprintable() else "_" for sign in filename)
    plain = plain.replace("\\", "_").replace('"', "_").replace("%", "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _key_of(view: TranscriptionView) -> str:
    """Raises TranscriptionNotCompleted."""
    if view.status != Status.COMPLETED or view.transcript_key is None:
        raise TranscriptionNotCompleted(view.status)
    return view.transcript_key


async def _stem(parts: Parts, file_id: UUID) -> str:
    file = await parts.reads.file.answer(file_id)
    name = file.original_filename if file else ""
    return (name.rpartition(".")[0] or name) or "transcript"
