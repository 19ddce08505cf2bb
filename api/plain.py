"""A plain query is answered without what the framework does for any: to read parameters, inject and make a response costs more than the answer.

Plain is a GET without a query string, and with ids as we write them. Everything else goes the framework's way, to the
same function: both give the same answer, and what either raises is answered in the same place.
"""

from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.openapi import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Struct

from api.admission import admit
from api.etags import IF_NONE_MATCH, etag_of, headers_of, is_known
from api.parts import Parts
from api.requests import encoded, sent_together

TAG_BYTES: Final = 16
_JSON: Final = (b"content-type", b"application/json")


NOT_MODIFIED: Final = {304: ResponseSpec(None, description="You have it already, as `If-None-Match` says")}
"""For the OpenAPI document of a route that answers plainly."""


class Told(NamedTuple):
    """What is sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Answer(Struct, frozen=True):
    """`content` is what becomes JSON."""

    content: Any
    headers: Mapping[str, str] = {}

    def told(self, scope: Any) -> Told:
        """Nothing but the head to a client that has it already.

        Its tag is weak, since another one names the text of a transcript, for changes of it.
        """
        body = msgspec.json.encode(self.content)
        etag = etag_of(blake2b(body, digest_size=TAG_BYTES).hexdigest())
        headers = {**self.headers, **headers_of(f"W/{etag}")}
        if is_known(sent_together(scope, IF_NONE_MATCH), etag):
            return Told(HTTP_304_NOT_MODIFIED, headers, b"")
        return Told(HTTP_200_OK, headers, body)

    def response_to(self, request: Request[Any, Any, Any]) -> Response[Any]:
        told = self.told(request.scope)
        return Response(told.body, status_code=told.status, headers=told.headers, media_type=MediaType.JSON)


Answering: TypeAlias = Callable[[Parts, UUID, list[UUID]], Awaitable[Answer]]
"""Given who asks, and the ids in the path."""


def plainly(answering: Answering) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware of one route."""

    def around(app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            ids = _ids_of(scope)
            if ids is None:
                await app(scope, receive, send)
                return
            parts: Parts = scope["litestar_app"].state.parts
            user_id = await admit(scope, parts)
            await _send((await answering(parts, user_id, ids)).told(scope), send)

        return answer

    return around


def _ids_of(scope: Any) -> list[UUID] | None:
    """None where the request is not plain."""
    if scope["query_string"] or scope["method"] != "GET":
        return None
    try:
        return [msgspec.convert(text, UUID) for text in scope["path_params"].values()]
    except msgspec.ValidationError:
        return None


async def _send(told: Told, send: Send) -> None:
    headers = encoded(told.headers)
    if told.status == HTTP_200_OK:
        headers += [_JSON, (b"content-length", str(len(told.body)).encode())]
    await send({"type": "http.response.start", "status": told.status, "headers": headers})
    await send({"type": "http.response.body", "body": told.body, "more_body": False})
