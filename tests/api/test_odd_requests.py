"""Requests put together from odd pieces at random: whatever they are, none is an error of ours, and the connection has an answer."""

import random
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import pytest
import pytest_asyncio

from tests.api.rig import Installation, Person
from tests.api.test_raw_http import BODIES, Door, paths_of, serving_door
from tests.api.wire import answer_to

REQUESTS: Final = 400
SEEDS: Final = (1, 2, 3)

VALUES: Final = [
    b"",
    b" ",
    b"\xff\xfe\x00"[:2],
    "ä€🎤".encode(),
    b"a" * 5_000,
    b"%00%ff%F0%9F",
    b";;;,,,===",
    b'"\\"\\',
    b"0",
    b"-1",
    b"9" * 400,
    b"1e999",
    b"NaN",
    b"*/*;q=nonsense",
    b"application/json; charset=utf-16",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary=\xff",
    b"application/x-www-form-urlencoded",
    b"application/x-msgpack",
    b"null",
    b"bytes=0-,5-1,-",
    b'W/"x", *',
    b"Thu, 99 Foo 9999 99:99:99 GMT",
    b'for="[::1]:x";proto=;by=_',
    b"999.999.999.999, ::ffff:1, unknown",
    b"https://[::1",
]
HEADERS: Final = [
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Connection", "Consistency-Token", "Content-Encoding",
    "Content-Language", "Content-Type", "Cookie", "Expect", "Forwarded", "From", "If-Match", "If-Modified-Since", "If-None-Match",
    "Last-Event-ID", "Origin", "Access-Control-Request-Method", "Prefer", "Range", "Referer", "TE", "Upgrade", "User-Agent",
    "X-Forwarded-For", "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Request-Id", "traceparent", "X-" + "a" * 200,
]  # fmt: skip
QUERIES: Final = ["", "?", "?limit=1&limit=2", "?cursor=a&cursor=b", "?format=srt&format=txt", "?%ff=%fe", "?" + "a&" * 500, "?limit[]=1", "?=&&=;"]  # fmt: skip
CONTENTS: Final = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"0",
    b'"x"',
    b"{" * 500,
    b"[" * 30_000,
    b"\x00" * 100,
    b"\xef\xbb\xbf{}",
    b"--x\r\n\r\n--x--\r\n",
]
METHODS: Final = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(installation: Installation) -> AsyncIterator[Door]:
    async with serving_door(installation) as opened:
        yield opened


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_odd_request_is_an_error_of_ours(
    installation: Installation, door: Door, anna: Person, seed: int
) -> None:
    choice = random.Random(seed)
    paths = [path for path, _ in paths_of(installation)] + [path for _, path, _ in BODIES]
    known = [str(anna.client.headers["Authorization"]).encode(), b"Bearer x"]
    for _ in range(REQUESTS):
        method = choice.choice(METHODS)
        sent = odd_request(choice, method, choice.choice(paths), known)
        answer = await answer_to(door.server, sent, method)
        # The store has nothing to say about readiness, and a body that asks for a 101 gets none.
        assert answer.status < 500 or answer.status == 503, sent
        if answer.status == 503:
            assert b"/health/ready" in sent, sent


def odd_request(choice: random.Random, method: str, path: str, authorizations: list[bytes]) -> bytes:
    content = choice.choice(CONTENTS)
    headers = {name: choice.choice(VALUES) for name in choice.sample(HEADERS, 4)}
    if choice.random() < 0.7:
        headers["Authorization"] = choice.choice(authorizations)
    headers |= {"Host": b"stenolog", "Content-Length": str(len(content)).encode()}
    if headers.get("Expect") is not None:
        headers["Expect"] = b"100-continue-not"
    path = path.replace(str(UUID(int=1)), choice.choice([str(UUID(int=1)), "%00", "x" * 300, "%e2%28%a1"]))
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers.items())
    return f"{method} {path}{choice.choice(QUERIES)} HTTP/1.1\r\n".encode() + lines + b"\r\n" + content
