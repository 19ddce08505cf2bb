"""A body that stops coming."""

import asyncio
from typing import Any

import pytest
from litestar.types import Receive

from api.patience import SILENCE_SECONDS_MAX, Patience, RequestStalled, impatient


async def read_everything(receive: Receive) -> None:
    while (await receive())["more_body"]:  # type: ignore[typeddict-item]  # of HTTP
        pass


async def test_a_body_that_stops_coming_is_given_up() -> None:
    pieces = [{"type": "http.request", "body": b"x", "more_body": True}] * 3

    async def receive() -> Any:
        return pieces.pop() if pieces else await asyncio.Event().wait()

    with pytest.raises(RequestStalled, match="send the request again"):
        await read_everything(impatient(receive, seconds=0.05))
    assert pieces == []


async def test_a_body_that_comes_whole_is_left_alone() -> None:
    pieces = [{"type": "http.request", "body": b"", "more_body": more} for more in (False, True)]

    async def receive() -> Any:
        return pieces.pop()

    await read_everything(impatient(receive, seconds=5))
    assert pieces == []


async def test_after_the_body_nothing_is_due() -> None:
    pieces: list[Any] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"x", "more_body": False},
    ]

    async def receive() -> Any:
        await asyncio.sleep(0.1 if len(pieces) == 1 else 0)
        return pieces.pop()

    listen = impatient(receive, seconds=0.05)
    assert [(await listen())["type"], (await listen())["type"]] == ["http.request", "http.disconnect"]


async def test_a_byte_now_and_then_is_not_enough() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async with asyncio.timeout(10):
        with pytest.raises(RequestStalled):
            await read_everything(impatient(receive, seconds=0.3))


def test_a_slow_phone_never_wears_patience_out() -> None:
    patience = Patience(SILENCE_SECONDS_MAX)
    for _ in range(10_000):
        patience.spend(waited_seconds=4.0, received_bytes=4 * 1_024)
        assert patience.seconds_left >= SILENCE_SECONDS_MAX - 4.0


def test_a_fast_beginning_buys_no_long_silence() -> None:
    patience = Patience(SILENCE_SECONDS_MAX)
    patience.spend(waited_seconds=0.0, received_bytes=1 << 30)
    assert patience.seconds_left == SILENCE_SECONDS_MAX
