"""How often one may try to get in."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest_asyncio
from msgspec.structs import replace

from api.accounts import ADDRESS_ALLOWANCE
from infrastructure.settings import Settings
from tests.api.rig import PASSWORD, Installation, Person, in_one_task, installed


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(settings: Settings) -> AsyncIterator[Installation]:
    """Three tries a minute."""
    with tempfile.TemporaryDirectory() as spool:
        few = replace(settings, login_attempts_per_minute=3, consistency_wait_seconds=0)
        async with in_one_task(installed(few, Path(spool))) as running:
            yield running


async def log_in(client: httpx.AsyncClient, email: str, password: str = "guess") -> httpx.Response:
    return await client.post("/auth/login", json={"email": email, "password": password})


async def test_guessing_a_password_is_slowed_down(strict: Installation, anna: Person) -> None:
    client = strict.client("10.0.0.1")
    statuses = [(await log_in(client, anna.email)).status_code for _ in range(3)]
    assert statuses == [401, 401, 401]
    refused = await log_in(client, anna.email, PASSWORD)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["error"] == f"Too many tries: wait {refused.headers['Retry-After']} s"


async def test_a_guesser_does_not_lock_the_owner_out(strict: Installation, anna: Person) -> None:
    for _ in range(5):
        await log_in(strict.client("10.0.0.2"), anna.email)
    assert (await log_in(strict.client("10.0.0.3"), anna.email, PASSWORD)).status_code == 200


async def test_the_limit_holds_over_all_processes(
    strict: Installation, settings: Settings, anna: Person
) -> None:
    for _ in range(3):
        await log_in(strict.client("10.0.0.4"), anna.email)
    few = replace(settings, login_attempts_per_minute=3)
    with tempfile.TemporaryDirectory() as spool:
        async with installed(few, Path(spool)) as other:
            assert (await log_in(other.client("10.0.0.4"), anna.email)).status_code == 429


async def test_one_address_may_not_try_every_account(strict: Installation) -> None:
    client = strict.client("10.0.0.5")
    tries = 3 * ADDRESS_ALLOWANCE + 1
    statuses = [(await log_in(client, f"{uuid4().hex}@example.com")).status_code for _ in range(tries)]
    assert statuses == [401] * (tries - 1) + [429]


async def test_registering_is_limited_too(strict: Installation) -> None:
    client = strict.client("10.0.0.6")
    taken = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    answers = [await client.post("/auth/register", json=taken) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 409, 409, 429]
