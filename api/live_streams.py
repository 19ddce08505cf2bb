"""Live streams as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import time
from typing import Any, Final, assert_never
from uuid import UUID

import msgspec
from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from api.admission import admit
from api.following import Change, Following, Gone, State, WindowFinished
from api.lasting import lasting
from api.live_position import Position, encode_position
from api.parts import Parts
from api.requests import wants_body
from api.transcriptions import body_of, text_of
from domain.errors import Rejection
from domain.ports import ObjectStoreUnavailable
from infrastructure.postgres.errors import OUTAGES
from schemas.bodies import DeletedBody, WindowBody

MEDIA_TYPE: Final = "text/event-stream"
RETRY_MS: Final = 2_000
"""How soon a client is to come back after the stream has ended, or broken off."""

_HEADERS: Final = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"x-accel-buffering", b"no"),  # nginx would keep it back until there is more
]


class LiveStream(Response[bytes]):
    """Of one transcription, which is there, and whose text comes with its last state, or with none of everything of a user, without texts."""

    def __init__(self, parts: Parts, user_id: UUID, transcription_id: UUID | None, since: Position) -> None:
        super().__init__(b"", media_type=MEDIA_TYPE)
        self._parts = parts
        self._user_id = user_id
        self._transcription_id = transcription_id
        self._since = since

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]  # what it sends is not known before
        return self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # the server says when the client is gone
        """Raises TooManyListeners or Overloaded before it begins."""
        live = self._parts.live
        with (
            live.follow(self._user_id, self._transcription_id, self._since, was_there=True) as following,
            lasting(scope, following.end),
        ):
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if wants_body(scope):
                await _send(send, f"retry: {RETRY_MS}\n\n".encode())
                await self._tell(following, scope, send)
            await _send(send, b"", more=False)

    async def _tell(self, following: Following, scope: Scope, send: Send) -> None:
        """Until it is over, the caller is not admitted any more, or a text cannot be had: who comes back gets it."""
        admitted_at = time.monotonic()
        seconds = self._parts.live.limits.heartbeat_seconds
        while not following.is_over:
            change = await following.next(seconds)
            if time.monotonic() - admitted_at >= seconds:
                if not await self._is_admitted(scope):
                    return
                admitted_at = time.monotonic()
            try:
                await _send(send, await self._told(change, following))
            except ObjectStoreUnavailable:
                return

    async def _is_admitted(self, scope: Scope) -> bool:
        """While nobody can tell, who was admitted stays."""
        try:
            await admit(scope, self._parts)
        except Rejection:
            return False
        except OUTAGES:
            return True
        return True

    async def _told(self, change: Change | None, following: Following) -> bytes:
        position = encode_position(following.position)
        match change:
            case None:
                return b"" if following.is_over else f": still there\nid: {position}\n\n".encode()
            case State():
                return _event("transcription", position, await self._body_of(change))
            case WindowFinished():
                return _event("window", position, _window_body(change))
            case Gone():
                return _event("deleted", position, DeletedBody(transcription_id=change.transcription_id))
            case _:
                assert_never(change)

    async def _body_of(self, state: State) -> Any:
        """Raises ObjectStoreUnavailable."""
        if self._transcription_id is None:
            return body_of(state.view)
        return body_of(state.view, await text_of(state.view, self._parts))


def _window_body(window: WindowFinished) -> WindowBody:
    return WindowBody(
        transcription_id=window.transcription_id,
        index=window.index,
        start_ms=window.start_ms,
        end_ms=window.end_ms,
        text=window.text,
    )


def _event(name: str, position: str, body: Any) -> bytes:
    """JSON has no line breaks of its own."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        name.encode(),
        position.encode(),
        msgspec.json.encode(body),
    )


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})
