"""Editing a transcript: its text as a whole, one word of it, or a text throughout."""

from typing import Final, assert_never
from uuid import UUID

from litestar import Response, patch, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.changes import REVISION_HEADERS, expected_by, revised
from api.errors import problems
from api.openapi import Change
from api.parts import Parts
from api.requests import AuthenticatedRequest, Caller
from api.revisions import find_revision
from api.transcriptions import find_owned
from commands.edit_transcript import ChangeText, edit_transcript
from commands.reword_transcript import ChangeWord, ReplaceText, change_word, replace_text
from domain.rewording import Replacement
from schemas.bodies import TextEdit, TextReplacement, TranscriptChange, WordEdit, WordsEdit

TEXT_BODY_BYTES_MAX: Final = 8 << 20
_UPDATED: Final = "Transcript updated successfully"


@put(
    "/transcriptions/{transcription_id:str}/text",
    request_max_body_size=TEXT_BODY_BYTES_MAX,
    operation_class=Change,
    response_headers=REVISION_HEADERS,
    responses=problems(400, 401, 403, 404, 410, 412, 413),
    tags=["transcriptions"],
)
async def put_text(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    data: JSONBody[TextEdit],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[TranscriptChange]:
    """Replaces the text; words that stay keep their times. Without If-Match the last write wins, and every revision is kept."""
    change = ChangeText(
        transcription_id=transcription_id,
        user_id=caller.user_id,
        text=data.transcript_text,
        changed_at=parts.clock.now(),
        expected=expected_by(request),
    )
    left = await edit_transcript(change, parts.store, parts.objects, caller.provenance)
    return await revised(request, parts, transcription_id, left, _UPDATED)


@patch(
    "/transcriptions/{transcription_id:str}/words",
    operation_class=Change,
    response_headers=REVISION_HEADERS,
    responses=problems(400, 401, 403, 404, 410, 412, 413),
    tags=["transcriptions"],
)
async def patch_words(
    request: AuthenticatedRequest,
    transcription_id: FromPath[UUID],
    data: JSONBody[WordsEdit],
    caller: NamedDependency[Caller],
    parts: NamedDependency[Parts],
) -> Response[TranscriptChange]:
    """Writes one word anew, or finds a text and replaces it throughout; words that stay keep their times."""
    match data:
        case WordEdit():
            return await _patch_word(request, transcription_id, data, caller, parts)
        case TextReplacement():
            return await _replace(request, transcription_id, data, caller, parts)
        case _:
            assert_never(data)


async def _patch_word(
    request: AuthenticatedRequest, transcription_id: UUID, data: WordEdit, caller: Caller, parts: Parts
) -> Response[TranscriptChange]:
    expected = expected_by(request)
    await find_owned(parts, transcription_id, caller.user_id)
    change = ChangeWord(
        transcription_id=transcription_id,
        user_id=caller.user_id,
        revision=await find_revision(parts, transcription_id, caller.user_id, data.revision),
        index=data.index,
        text=data.text,
        changed_at=parts.clock.now(),
        expected=expected,
    )
    left = await change_word(change, parts.store, parts.objects, caller.provenance)
    return await revised(request, parts, transcription_id, left, _UPDATED)


async def _replace(
    request: AuthenticatedRequest,
    transcription_id: UUID,
    data: TextReplacement,
    caller: Caller,
    parts: Parts,
) -> Response[TranscriptChange]:
    change = ReplaceText(
        transcription_id=transcription_id,
        user_id=caller.user_id,
        replacement=Replacement(
            find=data.find,
            replace_with=data.replace_with,
            match_case=data.match_case,
            whole_words=data.whole_words,
        ),
        changed_at=parts.clock.now(),
        expected=expected_by(request),
    )
    done = await replace_text(change, parts.store, parts.objects, caller.provenance)
    message = f"Replaced {done.count} times" if done.count != 1 else "Replaced once"
    return await revised(request, parts, transcription_id, done.revised, message, replaced_count=done.count)
