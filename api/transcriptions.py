"""Requesting, following and cancelling transcriptions."""

from functools import partial
from typing import Annotated, Final, Literal, TypeVar
from uuid import UUID

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from api.arriving import arrived
from api.consistency import settle
from api.errors import problems
from api.idempotency import IdempotentOperation, idempotent
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
from commands.cancel_transcription import cancel_transcription
from commands.delete_transcription import delete_transcription
from commands.request_transcription import request_transcription
from domain.errors import NotOwner, PersonErased, TranscriptionNotFound, TranscriptMissing
from domain.instructions import instructions_of, require_able
from domain.transcription import ACTIVE, TRANSCRIPTION, Status, transcription_id_of
from domain.transcription_commands import CancelTranscription, DeleteTranscription
from projections.paging import Page, Wanted
from projections.transcriptions import ListedTranscription, TranscriptionView, list_wanted
from schemas.bodies import (
    TranscriptionBody,
    TranscriptionChange,
    TranscriptionRequest,
    TranscriptionSummary,
)

Known = TypeVar("Known")

Statuses = Annotated[
    list[Literal["queued", "processing", "completed", "failed", "cancelled"]] | None,
    QueryParameter(name="status", description="Only those in this state; may be given again"),
]
POLL_SECONDS: Final = 1
"""How soon to ask again for a transcription that is not done."""


@post(
    "/transcriptions",
    status_code=202,
    operation_class=IdempotentOperation,
    middleware=[idempotent()],
    responses=problems(400, 401, 402, 403, 404, 409, 410, 422),
    tags=["transcriptions"],
)
async def request(
    request: AuthenticatedRequest,
    data: JSONBody[TranscriptionRequest],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[TranscriptionChange]:
    """Queues the transcription of a file and reserves its minutes."""
    instructions = instructions_of(
        language=data.language, task=data.task, prompt=data.prompt, vocabulary=data.vocabulary
    )
    require_able(instructions, await parts.abilities.answer())
    address = await request_transcription(
        data.file_id,
        caller.user_id,
        parts.clock.now(),
        parts.store,
        caller.provenance,
        instructions=instructions,
        objects=parts.objects,
    )
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
    transcription_id = transcription_id_of(data.file_id)
    queued = TranscriptionChange(
        transcription_id=transcription_id,
        file_id=data.file_id,
        status=Status.QUEUED,
        message="Transcription queued successfully",
    )
    return Response(queued, headers={"Location": f"/v1/transcriptions/{transcription_id}"})


@post(
    "/transcriptions/{transcription_id:str}/cancel",
    status_code=200,
    responses=problems(400, 401, 403, 404, 409, 410),
    tags=["transcriptions"],
)
async def cancel(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> TranscriptionChange:
    """Stops a queued or running transcription and releases its minutes."""
    command = CancelTranscription(
        transcription_id=transcription_id, user_id=caller.user_id, cancelled_at=parts.clock.now()
    )
    address = await cancel_transcription(command, parts.store, caller.provenance)
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)
    return TranscriptionChange(
        transcription_id=transcription_id,
        status=Status.CANCELLED,
        message="Transcription cancelled; its minutes are released",
    )


@delete(
    "/transcriptions/{transcription_id:str}",
    status_code=204,
    responses=problems(400, 401, 403, 404, 409, 410, 503),
    tags=["transcriptions"],
)
async def remove(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> None:
    """Deletes a transcription and all its texts for good; again it changes nothing. The recording stays.

    One that is queued or running is to be cancelled first.
    """
    command = DeleteTranscription(
        transcription_id=transcription_id, user_id=caller.user_id, deleted_at=parts.clock.now()
    )
    address = await delete_transcription(command, parts.store, caller.provenance)
    await settle(request, parts.progress, address, parts.settings.consistency_wait_seconds)


async def _list(parts: Parts, page: Page, wanted: Wanted | None = None) -> Answer:
    found = await (_wanted(parts, page, wanted) if wanted else parts.reads.transcriptions.answer(page))
    return answer_of("/v1/transcriptions", found, page.size - 1, _summary, query_of(wanted))


async def _wanted(parts: Parts, page: Page, wanted: Wanted) -> list[ListedTranscription] | None:
    async with parts.reading() as connection:
        return await list_wanted(connection, page, wanted)


async def _first_page(parts: Parts, user_id: UUID, _: list[UUID]) -> Answer:
    return await _list(parts, page_of(user_id, LIMIT_DEFAULT))


@get(
    "/transcriptions",
    middleware=[plainly(_first_page)],
    responses=problems(400, 401, 410, 503) | NOT_MODIFIED,
    tags=["transcriptions"],
)
async def list_transcriptions(
    *,
    request: AuthenticatedRequest,
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    status: Statuses = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    filename: InFilename = None,
) -> Response[list[TranscriptionSummary]]:
    """Your transcriptions, newest first: all of them, or those that you ask for."""
    wanted = wanted_of(status, created_after, created_before, filename)
    return (await _list(parts, page_of(caller.user_id, limit, cursor_of(cursor)), wanted)).response_to(
        request
    )


async def _one(parts: Parts, user_id: UUID, ids: list[UUID]) -> Answer:
    view = await find_owned(parts, ids[0], user_id)
    headers = {"Retry-After": str(POLL_SECONDS)} if view.status in ACTIVE else {}
    return Answer(body_of(view, await text_of(view, parts)), headers)


@get(
    "/transcriptions/{transcription_id:str}",
    middleware=[plainly(_one)],
    responses=problems(400, 401, 403, 404, 410) | NOT_MODIFIED,
    tags=["transcriptions"],
)
async def get_transcription(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[TranscriptionBody]:
    """Status and progress, and the text once it is completed; without it when it is lost for good."""
    return (await _one(parts, caller.user_id, [transcription_id])).response_to(request)


async def text_of(view: TranscriptionView, parts: Parts) -> str | UnsetType:
    """Lost for good, it is left out, and GET …/transcript says so. While the store is away nobody can tell
    which it is, so that this raises ObjectStoreUnavailable: a client that asks again gets the text.
    """
    if view.transcript_key is None:
        return UNSET
    try:
        return await parts.texts.text(view.transcript_key)
    except TranscriptMissing:
        return UNSET


async def find_owned(parts: Parts, transcription_id: UUID, user_id: UUID) -> TranscriptionView:
    """Raises TranscriptionNotFound, NotShownYet, NotOwner or PersonErased."""
    ask = partial(parts.reads.transcription.answer, transcription_id)
    view = await arrived(parts, ask, TRANSCRIPTION.stream_id(transcription_id), user_id)
    if view is None:
        raise TranscriptionNotFound(transcription_id)
    if view.user_id != user_id:
        raise NotOwner
    if view.owner_leaves:
        raise PersonErased
    return view


def _summary(view: ListedTranscription) -> TranscriptionSummary:
    return TranscriptionSummary(
        transcription_id=view.id,
        file_id=view.file_id,
        status=view.status,
        progress_percentage=view.progress_percentage,
        created_at=view.created_at,
        completed_at=view.completed_at,
        language=view.language,
        task=view.task,
        warnings=view.media_warnings,
    )


def body_of(view: TranscriptionView, text: str | UnsetType = UNSET) -> TranscriptionBody:
    asked = view.asked
    return TranscriptionBody(
        transcription_id=view.id,
        file_id=view.file_id,
        status=view.status,
        progress_percentage=view.progress_percentage,
        created_at=view.created_at,
        task=asked.task,
        prompt=asked.prompt,
        vocabulary=list(asked.vocabulary),
        warnings=view.media_warnings,
        completed_at=_known(view.completed_at),
        failure_reason=_known(view.failure_reason),
        transcript_text=text,
        language=_known(view.language),
        language_probability=view.language_probability if view.revision else UNSET,
        revision=view.revision or UNSET,
        word_count=_known(view.word_count),
        processing_time_seconds=_known(view.processing_time_seconds),
    )


def _known(value: Known | None) -> Known | UnsetType:
    return UNSET if value is None else value
