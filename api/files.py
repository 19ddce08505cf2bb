"""Uploading recordings, and the list of them."""

from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.arriving import arrived
from api.consistency import settle
from api.errors import problems
from api.idempotency import IdempotentUpload, Ids, idempotent, ids_of
from api.paging import (
    LIMIT_DEFAULT,
    CreatedAfter,
    CreatedBefore,
    CursorText,
    InFilename,
    Limit,
    answer_of,
    cursor_of,
    page_of,
    query_of,
    wanted_of,
)
from api.parts import Parts
from api.plain import NOT_MODIFIED, Answer, plainly
from api.requests import AuthenticatedRequest, Caller
from api.uploads import Received, receive
from commands.execution import load
from commands.record_upload import record_upload
from commands.remove_file import Fate, RemoveFile, remove_file
from domain.errors import FileNotFound, NotOwner, PersonErased
from domain.media_file import MEDIA_FILE, FileUploaded, RecordUpload
from projections.files import FileView, ListedFile, list_wanted
from projections.paging import Page, Wanted
from schemas.bodies import FileBody, Uploaded
from schemas.objects import media_key

TranscriptFate = Annotated[
    Fate,
    QueryParameter(
        name="transcript",
        description="What becomes of the file's transcription and its text: they stay unless you say `delete`",
    ),
]
FileStatuses = Annotated[
    list[Literal["not_initiated", "queued", "processing", "completed", "failed", "cancelled"]] | None,
    QueryParameter(
        name="status", description="Only those whose transcription is in this state; may be given again"
    ),
]


@post(
    "/files/upload",
    operation_class=IdempotentUpload,
    middleware=[idempotent(is_streamed=True)],
    responses=problems(400, 401, 408, 409, 410, 413, 422, 429, 503, 507),
    tags=["files"],
)
async def upload_file(
    request: AuthenticatedRequest, caller: NamedDependency[Caller], parts: NamedDependency[Parts]
) -> Uploaded:
    """Takes a recording as `multipart/form-data`, in a part called `file`."""
    ids = ids_of(request.scope)
    if recorded := await _recorded_before(ids, caller.user_id, parts):
        return _uploaded(recorded)
    bytes_max = parts.settings.upload_max_bytes
    with parts.upload_room.admitted(caller.user_id) as share:
        async with receive(request, parts.spool, bytes_max, share) as received:
            facts = await parts.probe(received.path, caller.user_id)
            command = _recording(ids.current, received, facts.duration_seconds, caller, parts)
            address = await record_upload(
                command, received.path, parts.store, parts.objects, caller.provenance
            )
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
    return _uploaded(command)


async def _recorded_before(ids: Ids, user_id: UUID, parts: Parts) -> FileUploaded | None:
    """By a process that died before it could answer the same request."""
    for file_id in ids.earlier:
        file = (await load(parts.store, MEDIA_FILE, file_id, user_id)).state
        if file.uploaded is not None:
            return file.uploaded
    return None


def _uploaded(recorded: RecordUpload | FileUploaded) -> Uploaded:
    return Uploaded(
        file_id=recorded.file_id,
        filename=recorded.filename,
        status="uploaded",
        duration_seconds=recorded.duration_seconds,
        message="File uploaded successfully",
    )


def _recording(
    file_id: UUID, received: Received, duration_seconds: float, caller: Caller, parts: Parts
) -> RecordUpload:
    return RecordUpload(
        file_id=file_id,
        user_id=caller.user_id,
        filename=received.filename,
        media_key=media_key(caller.user_id, file_id, received.sha256),
        media_sha256=received.sha256,
        size_bytes=received.size_bytes,
        duration_seconds=round(duration_seconds, 3),
        uploaded_at=parts.clock.now(),
    )


async def _list(parts: Parts, page: Page, wanted: Wanted | None = None) -> Answer:
    found = await (_wanted(parts, page, wanted) if wanted else parts.reads.files.answer(page))
    return answer_of("/v1/files", found, page.size - 1, _body, query_of(wanted))


async def _wanted(parts: Parts, page: Page, wanted: Wanted) -> list[ListedFile] | None:
    async with parts.reading() as connection:
        return await list_wanted(connection, page, wanted)


async def _first_page(parts: Parts, user_id: UUID, _: list[UUID]) -> Answer:
    return await _list(parts, page_of(user_id, LIMIT_DEFAULT))


@get(
    "/files",
    middleware=[plainly(_first_page)],
    responses=problems(400, 401, 410, 503) | NOT_MODIFIED,
    tags=["files"],
)
async def list_files(
    *,
    request: AuthenticatedRequest,
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    status: FileStatuses = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    filename: InFilename = None,
) -> Response[list[FileBody]]:
    """Your recordings, newest first: all of them, or those that you ask for."""
    wanted = wanted_of(status, created_after, created_before, filename)
    return (await _list(parts, page_of(caller.user_id, limit, cursor_of(cursor)), wanted)).response_to(
        request
    )


async def find_owned_file(parts: Parts, file_id: UUID, user_id: UUID) -> FileView:
    """Raises FileNotFound, NotShownYet, NotOwner or PersonErased."""
    ask = partial(parts.reads.file.answer, file_id)
    file = await arrived(parts, ask, MEDIA_FILE.stream_id(file_id), user_id)
    if file is None:
        raise FileNotFound(file_id)
    if file.user_id != user_id:
        raise NotOwner
    if file.owner_leaves:
        raise PersonErased
    return file


async def _one(parts: Parts, user_id: UUID, ids: list[UUID]) -> Answer:
    return Answer(_body(await find_owned_file(parts, ids[0], user_id)))


@get(
    "/files/{file_id:str}",
    middleware=[plainly(_one)],
    responses=problems(400, 401, 403, 404, 410) | NOT_MODIFIED,
    tags=["files"],
)
async def get_file(
    request: AuthenticatedRequest,
    file_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[FileBody]:
    """One of your recordings, and what became of its transcription."""
    return (await _one(parts, caller.user_id, [file_id])).response_to(request)


@delete(
    "/files/{file_id:str}",
    status_code=204,
    responses=problems(400, 401, 403, 404, 409, 410, 503),
    tags=["files"],
)
async def delete_file(
    request: AuthenticatedRequest,
    file_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    transcript: TranscriptFate = "keep",
) -> None:
    """Deletes a recording for good; again it changes nothing. While it is being transcribed, cancel that first."""
    wish = RemoveFile(
        file_id=file_id, user_id=caller.user_id, transcript=transcript, removed_at=parts.clock.now()
    )
    address = await remove_file(wish, parts.store, caller.provenance)
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)


def _body(file: FileView | ListedFile) -> FileBody:
    return FileBody(
        file_id=file.id,
        filename=file.original_filename,
        upload_date=file.created_at,
        duration_seconds=file.duration_seconds,
        size_bytes=file.file_size,
        transcription_id=file.transcription_id,
        transcription_status=file.transcription_status,
    )
