"""Completes the OpenAPI document by what the framework cannot know: headers, the statuses of all routes of a kind, media types, limits."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from http import HTTPStatus
from typing import Any, Final

from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, OpenAPI, SecurityScheme

from api.consistency import STATUS_HEADER, TOKEN_HEADER
from api.exports import FORMATS
from api.openai_audio.refusals import SHOULD_RETRY
from api.openapi import BEARER, PATH, VERSION, Page
from api.openapi_terms import (
    ANSWER_HEADERS,
    ASKED_OF_ROUTE,
    ENTERING,
    LIMITS,
    OF_ROUTE,
    OF_STATUS,
    REQUEST_HEADERS,
    WITH_BODY,
    Terms,
)
from schemas import bodies

_AUDIO_REFUSAL: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/AudioRefusal"}}}
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_NOT_ALLOWED: Final = {
    "description": "Of a path that is asked by a method that is none of its operations.",
    "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "Allow")},
    "content": _PROBLEM,
}
_CONTENT: Final = "GET /v1/files/{file_id}/content"
_RECORDINGS: Final = ("audio/*", "video/*", "application/*")
_EXPORT: Final = "GET /v1/transcriptions/{transcription_id}/export"


class CompleteDocument(OpenAPI):
    def to_schema(self) -> dict[str, Any]:
        return completed(super().to_schema())


class CompleteConfig(OpenAPIConfig):
    def to_openapi_schema(self) -> OpenAPI:
        bare = super().to_openapi_schema()
        return CompleteDocument(**{field.name: getattr(bare, field.name) for field in fields(bare)})


def completed(document: Terms) -> Terms:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(f"{method.upper()} {path}", operation)
    _describe_recording(document["paths"])
    _describe_export(document["paths"])
    components = document["components"]
    components["headers"] = dict(ANSWER_HEADERS)
    components["responses"] = {"MethodNotAllowed": _NOT_ALLOWED}
    components["parameters"] = {
        _parameter(name): {"name": name, "in": "header", "required": False, **terms}
        for name, terms in REQUEST_HEADERS.items()
    }
    _limit(components["schemas"])
    _close(components["schemas"])
    return document


def _complete(route: str, operation: Terms) -> None:
    responses: dict[str, Terms] = operation["responses"]
    for number in _statuses(operation):
        refusal = {"description": HTTPStatus(number).phrase, "content": _refusal(operation)}
        if _is_the_frameworks(responses.get(str(number))):
            responses[str(number)] = refusal
    for status, response in responses.items():
        if int(status) < HTTPStatus.MULTIPLE_CHOICES and "content" in response and "headers" in response:
            response["description"] = HTTPStatus(int(status)).phrase
        response["headers"] = {
            name: {"$ref": f"#/components/headers/{name}"} for name in _headers(route, operation, status)
        }
    if asked := list(_asked(route, operation)):
        references = [{"$ref": f"#/components/parameters/{_parameter(name)}"} for name in asked]
        operation["parameters"] = [*operation.get("parameters", ()), *references]
    operation["responses"] = dict(sorted(responses.items()))


def _is_the_frameworks(response: Terms | None) -> bool:
    """Or nobody's: it describes a 400 in words that are not ours."""
    return response is None or "status_code" in str(response.get("content"))


def _refusal(operation: Terms) -> Terms:
    return _AUDIO_REFUSAL if _is_openai(operation) else _PROBLEM


def _is_openai(operation: Terms) -> bool:
    return "openai" in operation.get("tags", ())


def _statuses(operation: Terms) -> Iterator[int]:
    if "security" in operation:
        yield from ENTERING
    if "requestBody" in operation:
        yield from WITH_BODY


def _headers(route: str, operation: Terms, status: str) -> Iterator[str]:
    yield "X-Request-Id"
    if "content" in operation["responses"][status]:
        yield from OF_STATUS.get(status, ())
    if status >= "400" and _is_openai(operation):
        yield SHOULD_RETRY
    yield from OF_ROUTE.get(route, {}).get(status, ())
    if "security" in operation and status < "300":
        yield from _settled(route)


def _settled(route: str) -> Sequence[str]:
    """Commands say where they stand in the log, and both whether what is shown may be older."""
    return (STATUS_HEADER,) if route.startswith("GET ") else (TOKEN_HEADER, STATUS_HEADER)


def _asked(route: str, operation: Terms) -> Iterator[str]:
    if "security" in operation:
        yield TOKEN_HEADER if route.startswith("GET ") else "Prefer"
    yield from ASKED_OF_ROUTE.get(route, ())


def _parameter(name: str) -> str:
    """Components of all kinds have names of letters and dashes, and those of headers stand apart."""
    return f"{name}-of-a-request"


def _describe_recording(paths: dict[str, dict[str, Terms]]) -> None:
    """It is of the type that its bytes are of."""
    responses = paths[_CONTENT.partition(" ")[2]]["get"]["responses"]
    for status in ("200", "206"):
        responses[status]["content"] = {each: {"schema": {"type": "string"}} for each in _RECORDINGS}


def _describe_export(paths: dict[str, dict[str, Terms]]) -> None:
    """Each format has a media type of its own."""
    export = paths[_EXPORT.partition(" ")[2]]["get"]
    types = sorted({format_.media_type.partition(";")[0] for format_ in FORMATS.values()})
    texts = {each: {"schema": {"type": "string"}} for each in types}
    as_json = {"application/json": {"schema": {"$ref": "#/components/schemas/Transcript"}}}
    export["responses"]["200"]["content"] = texts | as_json
    [asked] = [each for each in export["parameters"] if each.get("name") == "format"]
    asked["schema"]["enum"] = list(FORMATS)


def _close(schemas: dict[str, Terms]) -> None:
    """A body that we read has no member but those that are named."""
    for name, schema in schemas.items():
        body = getattr(bodies, name, None)
        if body is not None and body.__struct_config__.forbid_unknown_fields:
            schema["additionalProperties"] = False


def _limit(schemas: dict[str, Terms]) -> None:
    for name, terms in LIMITS.items():
        schema, _, field = name.partition(".")
        schemas[schema]["properties"][field].update(terms)


OPENAPI: Final = CompleteConfig(
    title="Stenolog",
    version=VERSION,
    description="Recordings to text. Every change of state is an event in an append-only log. A method that a path does not have "
    "is answered 405 (`components/responses/MethodNotAllowed`), a path that is not here 404, both as a Problem.",
    path=PATH,
    render_plugins=[Page()],
    use_handler_docstrings=True,
    components=Components(
        security_schemes={
            BEARER: SecurityScheme(
                type="http",
                scheme="bearer",
                description="A token from /v1/auth/login, which may do everything, or an API key from /v1/api-keys with the "
                "scope that the route names. No key has the scope `account`.",
            )
        }
    ),
)
