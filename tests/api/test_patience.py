"""A body that stops coming."""

import asyncio
from typing import Any

import pytest

from api.patience import Impatient, RequestStalled


async def read_everything(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass


async def never(_: Any) -> None:
    raise AssertionError("nothing is answered here")


async def test_a_body_that_stops_coming_is_given_up() -> None:
    pieces = [{"type": "http.request", "body": b"x", "more_body": True}] * 3

    async def receive() -> Any:
        return pieces.pop() if pieces else await asyncio.Event().wait()

    with pytest.raises(RequestStalled, match="send the request again"):
        await Impatient(read_everything, seconds=0.05)({}, receive, never)  # type: ignore[arg-type]  # a scope nobody reads
    assert pieces == []


async def test_a_body_that_comes_whole_is_left_alone() -> None:
    pieces = [{"more_body": False}, {"more_body": True}]

    async def receive() -> Any:
        return pieces.pop()

    await Impatient(read_everything, seconds=5)({}, receive, never)  # type: ignore[arg-type]  # a scope nobody reads
    assert pieces == []
