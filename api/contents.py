"""The recording itself, whole or in ranges, so that a player can seek in it."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import PurePath
from typing import Final
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath
from litestar.response import Stream

from api.errors import problems
from api.etags import IF_NONE_MATCH, etag_of, headers_of, is_known, not_modified
from api.files import find_owned_file
from api.parts import Parts
from api.ranges import Span, span_of, still_holds
from api.requests import AuthenticatedRequest, Caller, sent_together, wants_body
from api.transcripts import disposition
from domain.errors import MediaMissing
from domain.ports import ObjectMissing, ObjectStore
from projections.files import FileView

CHUNK_BYTES: Final = 256 << 10
"""For each connection, so this times the connections there may be is what downloads take of memory."""
UNKNOWN: Final = "application/octet-stream"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys((".mp3", ".mp2"), "audio/mpeg"),
    **dict.fromkeys((".ogg", ".oga", ".opus"), "audio/ogg"),
    **dict.fromkeys((".mpg", ".mpeg"), "video/mpeg"),
    **dict.fromkeys((".aif", ".aiff"), "audio/aiff"),
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".aac": "audio/aac",
    ".amr": "audio/amr",
    ".m4a": "audio/mp4",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".3gp": "video/3gpp",
    ".webm": "video/webm",
    ".mkv": "video/matroska",
    ".avi": "video/x-msvideo",
    ".wma": "audio/x-ms-wma",
}
"""What a player wants to hear of a file's name. Nothing here is a page or a script."""


@get(
    "/files/{file_id:str}/content",
    responses=problems(400, 401, 403, 404, 410, 416, 503)
    | {
        200: ResponseSpec(bytes, media_type=UNKNOWN, description="The recording", generate_examples=False),
        206: ResponseSpec(
            bytes, media_type=UNKNOWN, description="Some bytes of it", generate_examples=False
        ),
        304: ResponseSpec(None, description="You have it already"),
    },
    tags=["files"],
)
async def get_content(
    request: AuthenticatedRequest,
    file_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[bytes] | Stream:
    """The recording as it was uploaded; `Range` asks for some of it, `If-None-Match` whether it is worth sending."""
    file = await find_owned_file(parts, file_id, caller.user_id)
    etag = etag_of(file.stored_filename)
    headers = {**headers_of(etag), "Accept-Ranges": "bytes"}
    if is_known(sent_together(request.scope, IF_NONE_MATCH), etag):
        return not_modified(headers)
    span = _span(request, file, etag)
    sent = span or Span(0, file.file_size)
    if span:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{file.file_size}"
    begin = _begun if wants_body(request.scope) else _only_there
    return Stream(
        await begin(parts.objects, file.storage_url, sent),
        status_code=206 if span else 200,
        media_type=MEDIA_TYPES.get(PurePath(file.original_filename).suffix.lower(), UNKNOWN),
        headers=headers
        | {
            "Content-Length": str(sent.end - sent.start),
            "Content-Disposition": disposition("inline", file.original_filename),
        },
    )


def _span(request: AuthenticatedRequest, file: FileView, etag: str) -> Span | None:
    """None but for GET (RFC 9110, 14.2). Raises RangeNotSatisfiable."""
    if not wants_body(request.scope) or not still_holds(request.headers.get("if-range"), etag):
        return None
    return span_of(request.headers.get("range"), file.file_size)


async def _begun(objects: ObjectStore, key: str, span: Span) -> AsyncIterator[bytes]:
    """The first bytes are there before the answer begins. Raises MediaMissing or ObjectStoreUnavailable."""
    chunks = _chunks(objects, key, span)
    try:
        first = await anext(chunks, b"")
    except ObjectMissing as problem:
        raise MediaMissing from problem
    return _all(first, chunks)


async def _only_there(objects: ObjectStore, key: str, _: Span) -> AsyncIterator[bytes]:
    """Nothing of it, as HEAD asks for. Raises MediaMissing or ObjectStoreUnavailable."""
    if not await objects.exists(key):
        raise MediaMissing
    return _nothing()


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _chunks(objects: ObjectStore, key: str, span: Span) -> AsyncGenerator[bytes, None]:
    async for chunk in objects.stream(key, CHUNK_BYTES, start=span.start, end=span.end):
        yield chunk


async def _all(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk
