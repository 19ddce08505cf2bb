"""No request may keep its connection waiting for ever."""

import asyncio
from typing import Final

from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage

from domain.errors import Rejection

SILENCE_SECONDS_MAX: Final = 30.0
"""Between two pieces of a body."""


class RequestStalled(Rejection):
    code = "request_stalled"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Nothing came for {seconds:.0f} s: send the request again")


class Impatient:
    """A middleware that raises RequestStalled in whoever reads a body that stops coming."""

    def __init__(self, app: ASGIApp, seconds: float = SILENCE_SECONDS_MAX) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_soon() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            try:
                async with asyncio.timeout(self._seconds):
                    return await receive()
            except TimeoutError:
                raise RequestStalled(self._seconds) from None

        await self._app(scope, receive_soon, send)
