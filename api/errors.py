"""Every refusal as an RFC 9457 problem; the only place that knows HTTP's numbers for them."""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from uuid import UUID

from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    NotFoundException,
    ValidationException,
)
from litestar.openapi import ResponseSpec
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET

from api.etags import etag_of
from api.openai_audio import refusals
from api.openai_audio.refusals import NotTranscribed
from api.patience import RequestStalled
from api.ranges import RangeNotSatisfiable
from api.rejections import (
    ComeBackLater,
    ExportTooLarge,
    KeyInFlight,
    KeyOfAnother,
    MalformedUpload,
    NotShownYet,
    Overloaded,
    UploadTooLarge,
)
from api.requests import request_id_of
from api.scopes import InsufficientScope
from api.tokens import NotAuthenticated
from commands.turns import TooManyAtOnce
from domain import errors, media_errors
from domain.errors import Rejection
from domain.ports import EventStoreUnavailable, EventUnreadable, ObjectStoreUnavailable, PartitionDetached
from infrastructure.disk import is_full
from infrastructure.master_keys import KeysUnfit
from infrastructure.media.probe import ProbeFailed
from infrastructure.postgres.errors import TRANSIENT, DatabaseProblem
from infrastructure.telemetry.fingerprints import fingerprint_of
from infrastructure.telemetry.metrics import INTERNAL_ERRORS, PROBLEMS, Code, Error
from schemas.audio_bodies import AudioRefusal
from schemas.bodies import Problem

_LOGGER = logging.getLogger(__name__)

Refusal: TypeAlias = Response[Problem] | Response[AudioRefusal]

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2
FULL_RETRY_AFTER_SECONDS: Final = 60
"""Somebody has to make room."""
DETACHED_RETRY_AFTER_SECONDS: Final = 60
"""As above."""
UNREADABLE_RETRY_AFTER_SECONDS: Final = 60
"""As above."""
PROBLEMS_PATH: Final = "/problems"
"""Where the page of each kind of problem lies, by its code."""
_CLIENT_GONE: Final = "client disconnected prematurely"


STATUS_OF: Final[Mapping[type[Rejection], HTTPStatus]] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.LanguageUnsupported: HTTPStatus.BAD_REQUEST,
    errors.LanguageRequired: HTTPStatus.BAD_REQUEST,
    errors.TranslationUnsupported: HTTPStatus.BAD_REQUEST,
    errors.PromptUnsupported: HTTPStatus.BAD_REQUEST,
    media_errors.UnreadableMedia: HTTPStatus.BAD_REQUEST,
    errors.TranscriptionNotCompleted: HTTPStatus.BAD_REQUEST,
    MalformedUpload: HTTPStatus.BAD_REQUEST,
    NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.InvalidCredentials: HTTPStatus.UNAUTHORIZED,
    errors.PersonErased: HTTPStatus.GONE,
    errors.QuotaExceeded: HTTPStatus.PAYMENT_REQUIRED,
    errors.NotOwner: HTTPStatus.FORBIDDEN,
    InsufficientScope: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    RequestStalled: HTTPStatus.REQUEST_TIMEOUT,
    errors.EmailTaken: HTTPStatus.CONFLICT,
    errors.ErasureNotRequested: HTTPStatus.CONFLICT,
    errors.TooManyApiKeys: HTTPStatus.CONFLICT,
    errors.TranscriptionExists: HTTPStatus.CONFLICT,
    errors.TranscriptionNotCancellable: HTTPStatus.CONFLICT,
    errors.TranscriptionNotDeletable: HTTPStatus.CONFLICT,
    errors.TranscriptionWasDeleted: HTTPStatus.CONFLICT,
    errors.RevisionChanged: HTTPStatus.PRECONDITION_FAILED,
    errors.StaleAttempt: HTTPStatus.CONFLICT,
    errors.StaleAlignment: HTTPStatus.CONFLICT,
    errors.AttemptOfAnother: HTTPStatus.CONFLICT,
    NotTranscribed: HTTPStatus.UNPROCESSABLE_ENTITY,
    UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RangeNotSatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    ExportTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    KeyInFlight: HTTPStatus.CONFLICT,
    KeyOfAnother: HTTPStatus.UNPROCESSABLE_ENTITY,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    NotShownYet: HTTPStatus.SERVICE_UNAVAILABLE,
    ComeBackLater: HTTPStatus.TOO_MANY_REQUESTS,
}
"""By the nearest class: a subclass has its parent's status unless it stands here itself."""


def status_of(rejection: type[Rejection]) -> HTTPStatus:
    return next(STATUS_OF[cls] for cls in rejection.__mro__ if cls in STATUS_OF)


def answer_rejection(request: Request[Any, Any, Any], rejection: Rejection) -> Refusal:
    return _problem(
        request,
        status_of(type(rejection)),
        rejection.code,
        str(rejection),
        members=_members_of(rejection),
        headers=_headers_of(rejection),
    )


def _members_of(rejection: Rejection) -> dict[str, Any]:
    """What a program may want to know without reading the text."""
    match rejection:
        case errors.QuotaExceeded():
            return {
                "quota_minutes_remaining": rejection.minutes_available,
                "quota_minutes_required": rejection.minutes_required,
            }
        case errors.TranscriptionExists() | errors.TranscriptionNotDeletable():
            return {"transcription_id": rejection.transcription_id}
        case errors.InvalidField():
            return {"field": rejection.field}
        case errors.RevisionChanged():
            return {"revision": rejection.revision}
        case errors.LanguageUnsupported() | errors.LanguageRequired():
            return {"languages": list(rejection.known) or UNSET}
        case _:
            return {}


def _headers_of(rejection: Rejection) -> dict[str, str]:
    match rejection:
        case errors.RevisionChanged():
            return {"ETag": etag_of(rejection.tag)}
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{rejection.size_bytes}"}
        case ComeBackLater():
            return {"Retry-After": str(rejection.retry_after_seconds)}
        case NotAuthenticated():
            return {"WWW-Authenticate": rejection.challenge}
        case errors.InvalidCredentials():
            # RFC 9110, 15.5.2, wants one with every 401: what else there is to log in with.
            return {"WWW-Authenticate": "Bearer"}
        case InsufficientScope():
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{rejection.needed}"'}
        case _:
            return {}


def answer_validation(request: Request[Any, Any, Any], problem: ValidationException) -> Refusal:
    """Names the first field that is wrong, as the client calls it."""
    missing = _MISSING_PARAMETER.search(problem.detail)
    field, text = (missing[1], f"{missing[1]} is required") if missing else _explained(problem.extra)
    members = {"field": field} if field else {}
    return _problem(request, HTTPStatus.BAD_REQUEST, "invalid_input", text, members=members)


def answer_not_found(request: Request[Any, Any, Any], _: NotFoundException) -> Refusal:
    text = f"Nothing is at {request.url.path}: /schema lists what there is"
    return _problem(request, HTTPStatus.NOT_FOUND, "no_such_route", text)


def answer_http(request: Request[Any, Any, Any], problem: HTTPException) -> Refusal:
    """What the framework itself refuses: a wrong method, a body that is no JSON or too long."""
    status = HTTPStatus(problem.status_code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer_unexpected(request, problem)
    text = _FRAMEWORK_TEXTS.get(status, status.description or status.phrase)
    return _problem(request, status, status.name.lower(), text, headers=problem.headers or {})


def answer_client_gone(request: Request[Any, Any, Any], problem: InternalServerException) -> Refusal:
    """A client that goes away in the middle of its body, which the framework takes for an error of the server."""
    if problem.detail != _CLIENT_GONE:
        return answer_unexpected(request, problem)
    text = "The connection ended in the middle of the body: send the request again"
    return _problem(request, HTTPStatus.BAD_REQUEST, "incomplete_body", text)


def answer_unavailable(request: Request[Any, Any, Any], problem: Exception) -> Refusal:
    """A part cannot be reached just now, or has no room left. Whether a command was carried out may be unknown."""
    if is_full(problem):
        return _answer_full(request, problem)
    _LOGGER.warning("request %s got no answer: %r", request_id_of(request.scope), problem)
    part = "The object store" if isinstance(problem, ObjectStoreUnavailable) else "A part of the system"
    text = f"{part} does not answer: look whether it was done, and else try again"
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", text, headers=headers)


def answer_detached(request: Request[Any, Any, Any], problem: PartitionDetached) -> Refusal:
    """Nothing was done, and nothing will be until somebody has attached what was detached."""
    _LOGGER.warning("request %s is put off: %s", request_id_of(request.scope), problem)
    text = (
        "The part of the event log that this is about was taken away for now; nothing was changed. Try again later, "
        "and tell the operator to attach the partition if it goes on"
    )
    headers = {"Retry-After": str(DETACHED_RETRY_AFTER_SECONDS)}
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "partition_detached", text, headers=headers)


def answer_unreadable(request: Request[Any, Any, Any], problem: Exception) -> Refusal:
    """Nothing was done, and nothing will be until somebody has given back the key, or runs a newer version."""
    _LOGGER.warning("request %s is put off: %s", request_id_of(request.scope), problem)
    text = (
        "What is stored about this cannot be read here now; nothing was changed. Try again later, and tell the operator "
        "if it goes on: the log of the server says what is missing"
    )
    headers = {"Retry-After": str(UNREADABLE_RETRY_AFTER_SECONDS)}
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "event_unreadable", text, headers=headers)


def answer_busy(request: Request[Any, Any, Any], problem: TooManyAtOnce) -> Refusal:
    """Unlike after an outage it is certain that nothing was done."""
    text = f"{str(problem).capitalize()}; wait a moment and try again"
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "too_many_at_once", text, headers=headers)


def answer_system_error(request: Request[Any, Any, Any], problem: OSError) -> Refusal:
    """A full disk is said to be one; what else the system refuses is unexpected."""
    return _answer_full(request, problem) if is_full(problem) else answer_unexpected(request, problem)


def _answer_full(request: Request[Any, Any, Any], problem: Exception) -> Refusal:
    _LOGGER.error("request %s found the disk full: %s", request_id_of(request.scope), problem)
    text = "The server's disk is full: try again once there is room"
    headers = {"Retry-After": str(FULL_RETRY_AFTER_SECONDS)}
    return _problem(request, HTTPStatus.INSUFFICIENT_STORAGE, "disk_full", text, headers=headers)


def answer_unexpected(request: Request[Any, Any, Any], problem: Exception) -> Refusal:
    """Says nothing about what happened inside; the log has where, under the request's id."""
    report_unexpected(problem, request_id_of(request.scope))
    text = "Something went wrong on our side: try again, and quote the request_id if it goes on"
    return _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", text)


def report_unexpected(problem: Exception, request_id: UUID) -> None:
    """Without its message, which may be somebody's words."""
    fingerprint = fingerprint_of(problem)
    INTERNAL_ERRORS.add(Error(type(problem).__name__))
    _LOGGER.error("request %s failed: %s", request_id, fingerprint.text)
    _LOGGER.debug("request %s went through %s", request_id, ", ".join(fingerprint.places))


_UNAVAILABLE: Final = (
    DatabaseProblem,
    EventStoreUnavailable,
    ObjectStoreUnavailable,
    ProbeFailed,
    TimeoutError,
    ConnectionError,
    # A full disk is an OSError too, and will not be better in a moment.
    *(problem for problem in TRANSIENT if problem is not OSError),
)

HANDLERS: Final[ExceptionHandlersMap] = {
    Rejection: answer_rejection,
    ValidationException: answer_validation,
    NotFoundException: answer_not_found,
    InternalServerException: answer_client_gone,
    HTTPException: answer_http,
    **dict.fromkeys(_UNAVAILABLE, answer_unavailable),
    PartitionDetached: answer_detached,
    EventUnreadable: answer_unreadable,
    KeysUnfit: answer_unreadable,
    TooManyAtOnce: answer_busy,
    OSError: answer_system_error,
    Exception: answer_unexpected,
}


def answer_to(request: Request[Any, Any, Any], problem: Exception) -> Refusal:
    """As the framework would choose it, for an answer that has begun."""
    handler: Any = next(HANDLERS[cls] for cls in type(problem).__mro__ if cls in HANDLERS)
    refusal: Refusal = handler(request, problem)
    return refusal


_FRAMEWORK_TEXTS: Final = {
    HTTPStatus.BAD_REQUEST: "The body is no JSON that can be read: send an object as /schema describes",
    HTTPStatus.METHOD_NOT_ALLOWED: "This method is not allowed here: /schema lists those that are",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too long for this request: send less",
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What the OpenAPI document says of a route's refusals."""
    return {
        status: ResponseSpec(
            Problem, description=HTTPStatus(status).phrase, media_type=MEDIA_TYPE, generate_examples=False
        )
        for status in statuses
    }


_MISSING_PARAMETER: Final = re.compile(r"Missing required \w+ parameter '([\w-]+)'")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_UNKNOWN: Final = re.compile(r"unknown field `(.*)`", re.DOTALL)
_NO_BODY: Final = "'data'"
"""How the framework says that there is nothing to be what a route calls so."""
_MOMENT_HINT: Final = ", as in 2026-11-27T10:00:00Z (in an address a + is written %2B)"
_NAME_CHARACTERS_MAX: Final = 100


def _explained(extra: Any) -> tuple[str | None, str]:
    first = extra[0] if isinstance(extra, Sequence) and extra else {}
    message, field = str(first.get("message", "")), first.get("key")
    if message == _NO_BODY:
        return None, "The body is missing: send an object as /schema describes"
    if missing := _MISSING.search(message):
        return missing[1], f"{missing[1]} is required"
    if unknown := _UNKNOWN.search(message):
        name = unknown[1][:_NAME_CHARACTERS_MAX]
        return name, f"{name} is no member of this body: /schema lists those there are"
    if field and field != "data":
        hint = _MOMENT_HINT if "datetime" in message else ""
        return field, f"{field}: {message[:1].lower()}{message[1:]}{hint}"
    return None, f"The body does not fit: {message[:1].lower()}{message[1:]}"


def _problem(
    request: Request[Any, Any, Any],
    status: HTTPStatus,
    code: str,
    text: str,
    *,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """In the shape that the clients of this path know."""
    content = problem_of(status, code, text, request_id_of(request.scope), members)
    if refusals.are_expected_at(request.scope["path"]):
        sent = {**refusals.headers_of(status), **(headers or {})}
        return Response(refusals.refusal_of(content), status_code=status, headers=sent)
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def title_of(code: str) -> str:
    return code.replace("_", " ").capitalize()


def problem_of(
    status: HTTPStatus, code: str, text: str, request_id: UUID, members: Mapping[str, Any] | None = None
) -> Problem:
    PROBLEMS.add(Code(code))
    return Problem(
        type=f"{PROBLEMS_PATH}/{code}",
        title=title_of(code),
        status=status,
        detail=text,
        code=code,
        error=text,
        request_id=request_id,
        **(members or {}),
    )
