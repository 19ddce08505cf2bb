"""Load over HTTP: connections that ask again as soon as they have their answer, at little cost to the machine they share."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median, quantiles
from typing import Any, Final

from msgspec import Struct

ANSWER_SECONDS_MAX: Final = 15.0
_LENGTH: Final = b"content-length: "


class Load(Struct, frozen=True):
    """What one look, or several, have seen."""

    latencies: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def p50_ms(self) -> float:
        return 1000 * median(self.latencies)

    @property
    def p99_ms(self) -> float:
        return 1000 * quantiles(self.latencies, n=100)[-1]


async def load(port: int, requests: Sequence[Iterator[bytes]], status: int, seconds: float) -> Load:
    """A connection for each of `requests`, which it sends one by one until the time is over.

    Raises LookupError when they are over before it.
    """
    connections = [await _connect(port, each, status) for each in requests]
    began = time.perf_counter()
    for each in connections:
        each.ends_at = began + seconds
        each.ask()
    try:
        async with asyncio.timeout(seconds + ANSWER_SECONDS_MAX):
            await asyncio.gather(*(each.done for each in connections))
    finally:
        for each in connections:
            each.close()
    took = time.perf_counter() - began
    return Load([latency for each in connections for latency in each.latencies], took)


async def _connect(port: int, requests: Iterator[bytes], status: int) -> "Connection":
    made = partial(Connection, requests, status)
    return (await asyncio.get_running_loop().create_connection(made, "127.0.0.1", port))[1]


def request(method: str, path: str, token: str, content_type: str = "", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: stenolog", f"Authorization: Bearer {token}"]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


class Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], status: int) -> None:
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ends_at = 0.0
        self._requests = requests
        self._status_line = f"HTTP/1.1 {status} ".encode()
        self._said = b""
        self._asked_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        self._asked_at = time.perf_counter()
        if self._asked_at >= self.ends_at or self._transport is None:
            self.done.set_result(None)
        elif (content := next(self._requests, None)) is None:
            self._fail(
                LookupError("there was nothing left to ask for: a rate over less than the time is none")
            )
        else:
            self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._said += data
        head, end, body = self._said.partition(b"\r\n\r\n")
        if not end or len(body) < _length_of(head):
            return
        if not head.startswith(self._status_line):
            self._fail(AssertionError(f"expected {self._status_line.decode()}, got {self._said[:800]!r}"))
            return
        self._said = b""
        self.latencies.append(time.perf_counter() - self._asked_at)
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server ended a connection that was to be kept"))

    def _fail(self, problem: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(problem)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


def _length_of(head: bytes) -> int:
    _, _, rest = head.lower().partition(_LENGTH)
    return int(rest.partition(b"\r\n")[0])
