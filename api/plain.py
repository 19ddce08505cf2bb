"""A plain query is answered without what the framework does for any: to read parameters, inject and make a response costs more than the answer.

Plain is a GET without a query string, and with ids as we write them. Everything else goes the framework's way, to the
same function: both give the same answer, and what either raises is answered in the same place.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Struct

from api.admission import admit
from api.parts import Parts
from api.requests import encoded

_JSON: Final = (b"content-type", b"application/json")


class Answer(Struct, frozen=True):
    """`content` is what becomes JSON."""

    content: Any
    headers: Mapping[str, str] = {}

    @property
    def response(self) -> Response[Any]:
        return Response(self.content, headers=self.headers)


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
            await _send(await answering(parts, user_id, ids), send)

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


async def _send(answer: Answer, send: Send) -> None:
    body = msgspec.json.encode(answer.content)
    length = (b"content-length", str(len(body)).encode())
    headers = [_JSON, length, *encoded(answer.headers)] if answer.headers else [_JSON, length]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
