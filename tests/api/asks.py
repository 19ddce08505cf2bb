"""How to ask each protected route for something that it answers, for tests that walk through all of them."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID
from zlib import crc32

import httpx
import msgspec
from litestar import Litestar
from msgspec import Struct

from api.app import create_app
from api.openapi_document import document
from api.scopes import NEEDED
from api.tokens import SECRET_CHARACTERS_MIN
from infrastructure.settings import Settings
from tests.api.rig import PASSWORD, sound

ON_EVERY_ANSWER: Final = {
    "cache-control",
    "content-length",
    "content-security-policy",
    "content-type",
    "referrer-policy",
    "x-content-type-options",
}
"""Which say how to handle it, and nothing of what it is about."""


class Ask(Struct, frozen=True, kw_only=True):
    """What belongs to a request beside its path. `{file_id}` and the like stand for ids of whoever is asked about."""

    query: str = ""
    json: Mapping[str, Any] | None = None
    uploads: bool = False
    form: Mapping[str, str] = {}
    """What goes with an upload."""
    is_endless: bool = False
    """The answer goes on for ever, so that nobody waits for its end."""
    status: int = 200
    """When the owner asks with ids of their own."""

    @property
    def content(self) -> dict[str, Any]:
        if self.uploads:
            return {"files": {"file": ("talk.wav", sound())}, "data": dict(self.form)}
        return {} if self.json is None else {"json": dict(self.json)}


ASKS: Final[Mapping[str, Ask]] = {
    "GET /v1/auth/me": Ask(),
    "DELETE /v1/auth/me": Ask(json={"password": PASSWORD}, status=202),
    "GET /v1/auth/me/export": Ask(),
    "POST /v1/api-keys": Ask(json={"name": "another", "scopes": ["read"]}, status=201),
    "GET /v1/api-keys": Ask(),
    "DELETE /v1/api-keys/{key_id}": Ask(status=204),
    "POST /v1/files/upload": Ask(uploads=True, status=201),
    "GET /v1/files": Ask(query="?limit=3"),
    "GET /v1/files/{file_id}": Ask(),
    "GET /v1/files/{file_id}/content": Ask(),
    "POST /v1/transcriptions": Ask(json={"file_id": "{new_file_id}"}, status=202),
    "GET /v1/transcriptions": Ask(query="?limit=3"),
    "GET /v1/transcriptions/{transcription_id}": Ask(),
    "POST /v1/transcriptions/{queued_id}/cancel": Ask(),
    "GET /v1/transcriptions/{transcription_id}/history": Ask(),
    "GET /v1/transcriptions/{transcription_id}/transcript": Ask(),
    "GET /v1/transcriptions/{transcription_id}/export": Ask(query="?format=srt"),
    "PUT /v1/transcriptions/{transcription_id}/text": Ask(json={"transcript_text": "Whatever else."}),
    "GET /v1/user/quota": Ask(),
    "GET /v1/events": Ask(is_endless=True),
    "GET /v1/transcriptions/{transcription_id}/events": Ask(is_endless=True),
    "GET /v1/transcriptions/{transcription_id}/revisions": Ask(),
    "GET /v1/transcriptions/{transcription_id}/revisions/{first}": Ask(),
    "POST /v1/transcriptions/{transcription_id}/revisions/{first}/restore": Ask(),
    "PATCH /v1/transcriptions/{transcription_id}/words": Ask(
        json={"change": "replace", "find": "Hello", "replace_with": "Goodbye"}
    ),
    "DELETE /v1/transcriptions/{transcription_id}": Ask(status=204),
    "DELETE /v1/files/{file_id}": Ask(status=204),
    "GET /v1/search": Ask(query="?q=hello"),
    "GET /v1/models": Ask(),
    "GET /v1/models/{model}": Ask(),
    "POST /v1/audio/transcriptions": Ask(
        uploads=True, form={"model": "whisper-1", "stream": "true"}, is_endless=True
    ),
    # Nobody is there who would hear it, so that the answer would be long in coming: what is refused is what was asked.
    "POST /v1/audio/translations": Ask(
        uploads=True, form={"model": "whisper-1", "temperature": "1"}, status=400
    ),
}
"""By route. Where the id of its name will not do, since only what is queued can be cancelled, another one stands in its place:
`queued_id`, or `new_file_id` of a file that nobody has asked to be transcribed."""


NOBODYS: Final = {"first": "1", "model": "whisper-1"}
"""What stands in paths and is an id of nobody."""


class Route(Struct, frozen=True):
    """`path` has its parameters as `{name}`."""

    method: str
    path: str
    needed: str | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def asked(self) -> tuple[str, Ask]:
        """The path with the ids that it takes, and the rest."""
        for name, ask in ASKS.items():
            if _shape(name) == _shape(str(self)):
                return _replaced(name.partition(" ")[2], NOBODYS), ask
        raise AssertionError(f"{self} has no entry in ASKS: say in tests/api/asks.py how to ask for it")


def routes() -> Sequence[Route]:
    """Every route of the application, from its own table."""
    app = create_app(Settings(jwt_secret="x" * SECRET_CHARACTERS_MIN))
    return sorted(
        (
            Route(method, _plain(route.path), handler.opt.get(NEEDED))
            for route in app.routes
            for handler in route.route_handlers  # type: ignore[union-attr]  # all of ours are HTTP's
            for method in handler.http_methods
            if method != "OPTIONS"
        ),
        key=str,
    )


def _plain(path: str) -> str:
    """Without the types of its parameters."""
    return "/".join(
        f"{part.partition(':')[0]}}}" if part.startswith("{") else part for part in path.split("/")
    )


def _shape(name: str) -> str:
    """Whatever its parameters are called."""
    return re.sub(r"\{\w+\}", "{}", name)


def _replaced(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def filled(text: str, ids: Mapping[str, str]) -> str:
    text = _replaced(text, ids)
    assert "{" not in text, f"{text}: nobody has such an id; add it to the people of the walk"
    return text


def names_somebody(route: Route) -> bool:
    """Whether the request has an id in it; asked while tests are collected, so also of a route that nobody can ask yet."""
    if _shape(str(route)) not in map(_shape, ASKS):
        return "{" in route.path
    path, ask = route.asked
    return any("{" in str(text) for text in (path, *(ask.json or {}).values()))


async def answer_to(
    app: Litestar, route: Route, ids: Mapping[str, str], headers: Mapping[str, str]
) -> httpx.Response:
    """Also of an answer that goes on for ever, of which only the beginning is read."""
    path, ask = route.asked
    content = ask.content
    if "json" in content:
        content["json"] = {
            name: filled(value, ids) if isinstance(value, str) else value
            for name, value in content["json"].items()
        }
    transport = httpx.ASGITransport(app=app, client=(_source(route), 1))  # type: ignore[arg-type]  # two libraries' words for an ASGI application
    client = httpx.AsyncClient(transport=transport, base_url="http://stenolog", headers=dict(headers))
    request = client.build_request(route.method, filled(path, ids) + ask.query, **content)
    await request.aread()
    return await (_beginning(app, request) if ask.is_endless else client.send(request))


def _source(route: Route) -> str:
    """One of each route's own, so that what is counted by source is not counted over all of them."""
    return f"2001:db8:0:{crc32(str(route).encode()) & 0xFFFF:x}::1"


async def _beginning(app: Litestar, request: httpx.Request) -> httpx.Response:
    """The status and headers, and then the client is gone."""
    started: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": ("stenolog", 80),
        "client": ("2001:db8::1", 1),
        "root_path": "",
    }
    body: list[dict[str, Any]] = [{"type": "http.request", "body": request.content, "more_body": False}]

    async def receive() -> Any:
        if body:
            return body.pop()
        await started
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and not started.done():
            started.set_result(httpx.Response(message["status"], headers=message["headers"], content=b""))

    async with asyncio.timeout(30):
        answering: asyncio.Task[Any] = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
        either: list[asyncio.Future[Any]] = [answering, started]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        return await started


def require_documented(route: Route, answer: httpx.Response) -> None:
    """That the OpenAPI document knows the status, and every header that is not on all answers alike."""
    responses = _document()["paths"][route.path][route.method.lower()]["responses"]
    status = str(answer.status_code)
    assert status in responses, f"the OpenAPI document has no {status} of {route}: add it to its responses"
    known = {name.lower() for name in responses[status]["headers"]} | ON_EVERY_ANSWER
    unknown = set(answer.headers) - known
    assert not unknown, (
        f"{route}, {status}: say in OF_ROUTE of api/openapi_terms.py that it answers {unknown}"
    )


@cache
def _document() -> Any:
    return msgspec.json.decode(document())


def nobodys_ids() -> Mapping[str, str]:
    return {
        name: str(UUID(int=9))
        for name in ("file_id", "new_file_id", "transcription_id", "queued_id", "key_id")
    }
