"""Refusals as OpenAI's clients read them: the same problems as on all other routes, in another shape."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from domain.errors import InvalidField, NotFound, Rejection
from schemas.audio_bodies import AudioError, AudioRefusal
from schemas.bodies import Problem

MEDIA_TYPE: Final = "application/json"
SHOULD_RETRY: Final = "X-Should-Retry"

_PATHS: Final = re.compile(r"/v1/(audio|models)(/.*)?", re.DOTALL)
_WORTH_ANOTHER_TRY: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_TYPES: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.PAYMENT_REQUIRED: "insufficient_quota",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
_PARAMETERS: Final[Mapping[str, str]] = {
    "language_unsupported": "language",
    "language_required": "language",
    "prompt_unsupported": "prompt",
    "model_not_found": "model",
}
_OF_THE_FILE: Final = re.compile(r"media_.*|file_empty|upload_too_large|malformed_upload")
_TEXTS: Final[Mapping[str, str]] = {
    "prompt_unsupported": "The model takes no prompt: leave it out, and send names and terms as keywords",
    "translation_unsupported": "The model cannot translate: send the recording to /v1/audio/transcriptions",
}
"""Where the words of the other routes name fields that these have not."""


class UnsupportedParameter(InvalidField):
    """A field that OpenAI has, with a value that means something which cannot be done here."""

    code = "unsupported_parameter"


class UnknownParameter(InvalidField):
    code = "unknown_parameter"


class ModelNotFound(NotFound):
    code = "model_not_found"


class NotTranscribed(Rejection):
    """Of who waits for the text: the work has ended without one, and cost nothing."""

    code = "not_transcribed"

    def __init__(self, how: str) -> None:
        super().__init__(f"The recording {how}: its minutes are yours again")


def are_expected_at(path: str) -> bool:
    """Whether who asks for this path knows no other shape."""
    return _PATHS.fullmatch(path) is not None


def refusal_of(problem: Problem) -> AudioRefusal:
    return AudioRefusal(
        error=AudioError(
            message=_TEXTS.get(problem.code, problem.detail),
            type=_type_of(problem.status),
            param=_parameter_of(problem),
            code=problem.code,
        )
    )


def headers_of(status: int) -> Mapping[str, str]:
    """Clients try again after a 409 and the like unless they are told that the answer would be the same."""
    is_final = status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _WORTH_ANOTHER_TRY
    return {SHOULD_RETRY: "false"} if is_final else {}


def _type_of(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return _TYPES.get(status, "invalid_request_error")


def _parameter_of(problem: Problem) -> str | None:
    if isinstance(problem.field, str):
        return problem.field
    if _OF_THE_FILE.fullmatch(problem.code):
        return "file"
    return _PARAMETERS.get(problem.code)
