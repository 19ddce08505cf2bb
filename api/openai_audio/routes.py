"""Transcriptions and translations as OpenAI's clients ask for them: one request with the recording, and the text in the answer."""

import asyncio
from typing import Final
from uuid import UUID

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.response import Stream

from api.openai_audio.described import TEXTS, TranscriptionOperation, TranslationOperation, refusals
from api.openai_audio.form import Asked, asked_of, form_of
from api.openai_audio.formats import written
from api.openai_audio.hearing import outcome
from api.openai_audio.models import require_model
from api.openai_audio.streaming import MEDIA_TYPE, events
from api.openai_audio.work import begin_or_find
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller
from api.uploads import receive
from domain.instructions import Task

MODEL_HEADER: Final = "X-Stenolog-Model"
TRANSCRIPTION_HEADER: Final = "X-Stenolog-Transcription"
_REFUSALS: Final = refusals(400, 401, 402, 403, 404, 405, 408, 410, 413, 422, 429, 503, 507)


@post(
    "/audio/transcriptions",
    status_code=200,
    operation_class=TranscriptionOperation,
    responses=TEXTS | _REFUSALS,
    tags=["openai"],
)
async def transcribe(
    request: AuthenticatedRequest, caller: NamedDependency[Caller], parts: NamedDependency[Parts]
) -> Response[bytes] | Stream:
    """The text of a recording. The same recording and fields again find the same transcription, which is paid once."""
    return await _answer(request, "transcribe", caller, parts)


@post(
    "/audio/translations",
    status_code=200,
    operation_class=TranslationOperation,
    responses=TEXTS | _REFUSALS,
    tags=["openai"],
)
async def translate(
    request: AuthenticatedRequest, caller: NamedDependency[Caller], parts: NamedDependency[Parts]
) -> Response[bytes] | Stream:
    """The text of a recording in English."""
    return await _answer(request, "translate", caller, parts)


async def _answer(
    request: AuthenticatedRequest, task: Task, caller: Caller, parts: Parts
) -> Response[bytes] | Stream:
    asked, transcription_id = await _begun(request, task, caller, parts)
    headers = {TRANSCRIPTION_HEADER: str(transcription_id)}
    if asked.streams:
        # Proxies that gather an answer before they pass it on are told not to.
        headers["X-Accel-Buffering"] = "no"
        stream = await events(request, parts, caller.user_id, transcription_id)
        return Stream(stream, media_type=MEDIA_TYPE, headers=headers)
    done = await outcome(request.scope, parts, caller.user_id, transcription_id)
    answer = await asyncio.to_thread(written, done, asked)
    headers[MODEL_HEADER] = done.engine.encode("ascii", "replace").decode()
    return Response(answer.content, media_type=answer.media_type, headers=headers)


async def _begun(
    request: AuthenticatedRequest, task: Task, caller: Caller, parts: Parts
) -> tuple[Asked, UUID]:
    """From here on the work goes on whatever becomes of the client."""
    bytes_max = parts.settings.upload_max_bytes
    with parts.upload_room.admitted(caller.user_id) as share:
        async with receive(request, parts.spool, bytes_max, share, form_of(task)) as received:
            asked = asked_of(received.fields, task)
            require_model(asked.model, await parts.engines.answer())
            return asked, await begin_or_find(request, received, asked.instructions, caller, parts)
