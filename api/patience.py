"""No request may keep its connection waiting for ever, neither by silence nor by a byte now and then."""

import asyncio
import time
from typing import Final, TypeAlias

from litestar.types import HTTPReceiveMessage, Receive, WebSocketReceiveMessage

from domain.errors import Rejection

SILENCE_SECONDS_MAX: Final = 30.0
"""Between two pieces of a body."""
BYTES_PER_SECOND_MIN: Final = 256
"""Of a body, on the way: a tenth of what the slowest mobile networks carry."""

Received: TypeAlias = HTTPReceiveMessage | WebSocketReceiveMessage


class RequestStalled(Rejection):
    code = "request_stalled"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Hardly anything came for {seconds:.0f} s: send the request again")


def impatient(receive: Receive, seconds: float = SILENCE_SECONDS_MAX) -> Receive:
    """Raises RequestStalled in whoever reads a body that stops coming, or comes too slowly.

    After the body nothing is due: who goes on listening does so to hear that the client has hung up.
    """
    patience = Patience(seconds)
    is_whole = False

    async def receive_soon() -> Received:
        nonlocal is_whole
        if is_whole:
            return await receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience.seconds_left):
                received = await receive()
        except TimeoutError:
            raise RequestStalled(seconds) from None
        body_bytes = 0
        if received["type"] == "http.request":
            body_bytes = len(received["body"])
            is_whole = not received.get("more_body", False)
        patience.spend(time.monotonic() - began, body_bytes)
        return received

    return receive_soon


class Patience:
    """What is left of it: waiting costs its time, and every byte gives a little back, never beyond the beginning.

    The time in which we do not read costs nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds_max = seconds
        self.seconds_left = seconds

    def spend(self, waited_seconds: float, received_bytes: int) -> None:
        left = self.seconds_left - waited_seconds + received_bytes / BYTES_PER_SECOND_MIN
        self.seconds_left = min(self._seconds_max, left)
