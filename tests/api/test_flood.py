"""A flood of logins is told to come back, and everybody else is answered as before."""

import asyncio
import dataclasses
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from api.passwords import Passwords
from infrastructure.settings import Settings
from tests.api.rig import Installation, Person, in_one_task, installed

REQUESTS = 300
ROUNDS_MAX = 6
RATIO_MAX = 2.0

Companion = Callable[[], Coroutine[None, None, httpx.Response]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def earnest(settings: Settings) -> AsyncIterator[Installation]:
    """With hashes that take as long as they do in production."""
    with tempfile.TemporaryDirectory() as spool:
        behind_a_proxy = replace(settings, trusted_proxies="127.0.0.1")
        async with in_one_task(installed(behind_a_proxy, Path(spool))) as running:
            running.app.state.parts = dataclasses.replace(running.parts, passwords=Passwords())
            yield running


async def p99_seconds(person: Person, companion: Companion) -> tuple[float, list[int]]:
    """Of one request after the other, each with one of somebody else's under way, and what those were answered."""
    seconds, others = [], []
    for _ in range(REQUESTS):
        others.append(asyncio.create_task(companion()))
        began = time.perf_counter()
        assert (await person.client.get("/user/quota")).status_code == 200
        seconds.append(time.perf_counter() - began)
    answers = await asyncio.gather(*others)
    return sorted(seconds)[int(0.99 * REQUESTS)], [answer.status_code for answer in answers]


@pytest.mark.slow
async def test_a_flood_of_logins_is_turned_away_and_others_keep_their_pace(
    earnest: Installation, anna: Person
) -> None:
    anna.client = earnest.client()
    token = earnest.parts.tokens.issue(UUID(anna.user_id))
    anna.client.headers["Authorization"] = f"Bearer {token}"

    others = earnest.client()

    async def log_in() -> httpx.Response:
        sent = {"email": f"{uuid4().hex}@example.com", "password": "guess"}
        source = {"X-Forwarded-For": str(IPv4Address(uuid4().bytes[:4]))}
        return await others.post("/auth/login", json=sent, headers=source)

    async def look() -> httpx.Response:
        return await others.get("/files", headers={"Authorization": f"Bearer {token}"})

    ratios: list[float] = []
    while not ratios or (min(ratios) > RATIO_MAX and len(ratios) < ROUNDS_MAX):
        quiet, _ = await p99_seconds(anna, look)
        flooded, statuses = await p99_seconds(anna, log_in)
        assert {401, 503} == set(statuses)
        ratios.append(flooded / quiet)
    assert min(ratios) <= RATIO_MAX, ratios
