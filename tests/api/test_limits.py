"""How often one may try to get in."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest_asyncio
from msgspec.structs import replace

from api.attempts import ACCOUNT_ALLOWANCE, SOURCE_ALLOWANCE
from infrastructure.settings import Settings
from tests.api.rig import PASSWORD, Installation, Person, in_one_task, installed, sound


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
    allowed = 3 * SOURCE_ALLOWANCE
    statuses = [(await log_in(client, f"{uuid4().hex}@example.com")).status_code for _ in range(allowed)]
    assert statuses == [401] * allowed
    # On a slow machine some of the allowance has come back meanwhile.
    more = [(await log_in(client, f"{uuid4().hex}@example.com")).status_code for _ in range(allowed)]
    assert 429 in more


async def test_registering_is_limited_too(strict: Installation) -> None:
    client = strict.client("10.0.0.6")
    taken = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    answers = [await client.post("/auth/register", json=taken) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 409, 409, 429]


async def test_many_sources_together_may_not_guess_one_password(strict: Installation, anna: Person) -> None:
    sources = (f"10.1.{number}.1" for number in range(3 * ACCOUNT_ALLOWANCE + 1))
    statuses = [(await log_in(strict.client(source), anna.email)).status_code for source in sources]
    assert statuses == [401] * (len(statuses) - 1) + [429]


async def test_the_owner_gets_in_from_where_they_have_been_while_many_guess(
    strict: Installation, anna: Person
) -> None:
    home = strict.client("10.2.0.1")
    assert (await log_in(home, anna.email, PASSWORD)).status_code == 200
    for number in range(3 * ACCOUNT_ALLOWANCE):
        await log_in(strict.client(f"10.3.{number}.1"), anna.email)
    assert (await log_in(strict.client("10.3.99.1"), anna.email, PASSWORD)).status_code == 429
    assert (await log_in(home, anna.email, PASSWORD)).status_code == 200


async def test_where_a_wrong_password_was_tried_nobody_is_known(strict: Installation, anna: Person) -> None:
    known = "select count(*) from known_sources where user_id = $1"
    await log_in(strict.client("10.4.0.1"), anna.email)
    before = await strict.parts.read_models.fetchval(known, UUID(anna.user_id))
    await log_in(strict.client("10.4.0.2"), anna.email, PASSWORD)
    assert await strict.parts.read_models.fetchval(known, UUID(anna.user_id)) == before + 1


async def test_an_account_that_does_not_exist_is_limited_like_one_that_does(strict: Installation) -> None:
    unknown = f"{uuid4().hex}@example.com"
    for number in range(3 * ACCOUNT_ALLOWANCE):
        assert (await log_in(strict.client(f"10.5.{number}.1"), unknown)).status_code == 401
    assert (await log_in(strict.client("10.5.99.1"), unknown)).status_code == 429


async def test_a_made_up_header_evades_no_limit(strict: Installation) -> None:
    for name, said in (("X-Forwarded-For", "198.51.100.{}"), ("Forwarded", "for=198.51.100.{}")):
        client, email = strict.client("127.0.0.1"), f"{uuid4().hex}@example.com"
        statuses = []
        for number in range(4):
            client.headers[name] = said.format(number)
            statuses.append((await log_in(client, email)).status_code)
        assert statuses == [401, 401, 401, 429]


async def test_clients_behind_a_trusted_proxy_are_counted_apart(
    settings: Settings, strict: Installation
) -> None:
    few = replace(settings, login_attempts_per_minute=1, trusted_proxies="10.6.0.0/16")
    email = f"{uuid4().hex}@example.com"
    with tempfile.TemporaryDirectory() as spool:
        async with installed(few, Path(spool)) as behind:
            client = behind.client("10.6.0.1")
            statuses = []
            for source in ("198.51.100.1", "198.51.100.2", "198.51.100.2", "1.2.3.4, 198.51.100.2"):
                client.headers["X-Forwarded-For"] = source
                statuses.append((await log_in(client, email)).status_code)
    assert statuses == [401, 401, 429, 429]


async def test_the_addresses_of_one_ipv6_network_share_a_limit(strict: Installation) -> None:
    email = f"{uuid4().hex}@example.com"
    clients = [strict.client(f"2001:db8:0:7::{number}") for number in range(1, 5)]
    assert [(await log_in(client, email)).status_code for client in clients] == [401, 401, 401, 429]


async def test_a_user_may_not_have_many_uploads_at_once(
    installation: Installation, anna: Person, bert: Person
) -> None:
    room, uploads_max = installation.parts.upload_room, installation.parts.settings.uploads_per_user
    with ExitStack() as under_way:
        for _ in range(uploads_max):
            under_way.enter_context(room.admitted(UUID(anna.user_id)))
        refused = await anna.uploads()
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await bert.uploads()).status_code == 201
    assert (await anna.uploads()).status_code == 201


async def test_an_upload_for_which_there_is_no_room_is_told_to_come_back(
    installation: Installation, anna: Person
) -> None:
    room, largest = installation.parts.upload_room, installation.parts.settings.upload_max_bytes
    with ExitStack() as under_way:
        for _ in range(4):
            under_way.enter_context(room.admitted(uuid4())).grow_to(largest)
        for share in (2, 1, 0.5):
            under_way.enter_context(room.admitted(uuid4())).grow_to(int(share * largest))
        refused = await anna.uploads(sound(50))
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) > 0
        assert await anna.left_nothing()
    assert (await anna.uploads()).status_code == 201
