"""Read models that stand still or move late: what clients are told meanwhile."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from msgspec.structs import replace

from domain.log import Address
from infrastructure.settings import Settings
from projections.models import READ_MODELS
from schemas.partitions import partition_of
from tests.api.rig import PASSWORD, Installation, Person, in_one_task, installed, projecting

WAIT_SECONDS = 0.3


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def unprojected(settings: Settings) -> AsyncIterator[Installation]:
    """No projector: the read models stand still unless a test moves them."""
    short = replace(settings, consistency_wait_seconds=WAIT_SECONDS)
    with tempfile.TemporaryDirectory() as spool:
        async with in_one_task(installed(short, Path(spool))) as running:
            yield running


def credentials() -> dict[str, str]:
    return {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}


async def set_reached(installation: Installation, address: Address, *, notify: bool) -> None:
    """Moves the checkpoints as a projector would, with or without the notification."""
    async with installation.parts.read_models.acquire() as connection, connection.transaction():
        await connection.executemany(
            "insert into projection_checkpoints (projection, partition, seq) values ($1, $2, $3) "
            "on conflict (projection, partition) do update set seq = excluded.seq",
            [(name, address.partition, address.seq) for name in READ_MODELS],
        )
        if notify:
            await connection.execute("select pg_notify('stenolog_projected', $1)", str(address))


async def end_sessions(installation: Installation) -> None:
    """Cuts off whoever listens, or has looked since whether the server is there; one that was just cut off may first
    have to come back.
    """
    async with asyncio.timeout(10):
        while not await installation.parts.read_models.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = current_database() and application_name = 'stenolog api' "
            "and pid <> pg_backend_pid() and query ilike any (array['listen%', '%transaction_read_only%'])"
        ):
            await asyncio.sleep(0.01)


async def test_a_command_answers_where_it_stands_in_the_log(
    unprojected: Installation,
) -> None:
    answer = await unprojected.client().post(
        "/auth/register", json=credentials(), headers={"Prefer": "respond-async"}
    )
    partition, _, seq = answer.headers["Consistency-Token"].partition(":")
    row = await unprojected.parts.read_models.fetchrow(
        "select type, owner_id from events where partition = $1 and seq = $2", int(partition), int(seq)
    )
    assert row is not None
    assert row["type"] == "QuotaGranted"
    assert partition_of(row["owner_id"], 4) == int(partition)


async def test_a_command_waits_no_longer_than_it_may(unprojected: Installation) -> None:
    began = time.monotonic()
    answer = await unprojected.client().post("/auth/register", json=credentials())
    assert answer.status_code == 201
    assert answer.headers["Consistency-Status"] == "behind"
    assert time.monotonic() - began >= WAIT_SECONDS


async def test_a_client_in_a_hurry_is_not_made_to_wait(unprojected: Installation) -> None:
    answer = await unprojected.client().post(
        "/auth/register", json=credentials(), headers={"Prefer": "wait=1, respond-async"}
    )
    assert answer.status_code == 201
    assert "Consistency-Token" in answer.headers
    assert "Consistency-Status" not in answer.headers


async def test_who_has_just_registered_can_log_in_before_any_projection(unprojected: Installation) -> None:
    new = credentials()
    await unprojected.client().post("/auth/register", json=new, headers={"Prefer": "respond-async"})
    client = unprojected.client()
    answer = await client.post("/auth/login", json=new)
    assert (answer.status_code, answer.json()["user"]["quota_minutes"]) == (200, 60)
    client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    assert (await client.get("/auth/me")).json()["user"]["email"] == new["email"]
    assert (await client.get("/user/quota")).json()["quota_minutes_remaining"] == 60
    assert (await client.get("/files")).json() == []


@pytest.mark.parametrize("notify", [True, False])
async def test_a_wait_ends_when_the_read_models_arrive(unprojected: Installation, *, notify: bool) -> None:
    address = Address(101 + notify, 1_000_000)
    waiting = asyncio.create_task(unprojected.parts.progress.wait(address, 10))
    assert not await unprojected.parts.progress.wait(address, 0.05)
    await set_reached(unprojected, address, notify=notify)
    assert await waiting


async def test_a_wait_survives_the_loss_of_its_connection(unprojected: Installation) -> None:
    address = Address(103, 2_000_000)
    waiting = asyncio.create_task(unprojected.parts.progress.wait(address, 20))
    await unprojected.parts.progress.wait(address, 0.01)
    await end_sessions(unprojected)
    await set_reached(unprojected, address, notify=False)
    assert await waiting


async def test_what_a_crash_of_the_database_took_back_is_waited_for_again(
    unprojected: Installation,
) -> None:
    address = Address(104, 2_000_000)
    await set_reached(unprojected, address, notify=True)
    assert await unprojected.parts.progress.wait(address, 10)
    await set_reached(unprojected, Address(104, 1), notify=False)
    await end_sessions(unprojected)
    async with asyncio.timeout(10):
        while await unprojected.parts.progress.wait(address, 0.01):
            await asyncio.sleep(0.01)
    await set_reached(unprojected, address, notify=False)
    assert await unprojected.parts.progress.wait(address, 10)


async def test_a_query_that_cannot_be_current_says_so(unprojected: Installation) -> None:
    new = credentials()
    await unprojected.client().post("/auth/register", json=new, headers={"Prefer": "respond-async"})
    token = (await unprojected.client().post("/auth/login", json=new)).json()["token"]
    headers = {"Authorization": f"Bearer {token}", "Consistency-Token": "1:999999999"}
    answer = await unprojected.client().get("/files", headers=headers)
    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["Consistency-Status"] == "behind"


async def arrives_in_a_hurry(installation: Installation) -> Person:
    """Somebody who waits for no read model."""
    person = await Person.arrives(installation)
    person.client.headers["Prefer"] = "respond-async"
    return person


async def test_what_was_accepted_is_not_called_unknown_while_it_cannot_be_shown(
    unprojected: Installation,
) -> None:
    anna = await arrives_in_a_hurry(unprojected)
    file_id = (await anna.uploads()).json()["file_id"]
    accepted = await anna.client.post("/transcriptions", json={"file_id": file_id})
    for path in (f"/files/{file_id}", accepted.headers["Location"].removeprefix("/v1")):
        answer = await anna.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_shown_yet")
        assert int(answer.headers["Retry-After"]) > 0


async def test_what_nobody_accepted_is_unknown_at_once(unprojected: Installation) -> None:
    anna, bert = [await arrives_in_a_hurry(unprojected) for _ in range(2)]
    of_bert = (await bert.uploads()).json()["file_id"]
    for path in (f"/files/{uuid4()}", f"/transcriptions/{uuid4()}", f"/files/{of_bert}"):
        assert (await anna.client.get(path)).status_code == 404, path


async def test_what_comes_to_be_shown_while_it_is_asked_for_is_answered(
    unprojected: Installation, settings: Settings
) -> None:
    anna = await arrives_in_a_hurry(unprojected)
    file_id = (await anna.uploads()).json()["file_id"]
    patient = replace(settings, consistency_wait_seconds=30)
    with tempfile.TemporaryDirectory() as spool:
        async with installed(patient, Path(spool)) as running:
            client = running.client()
            client.headers["Authorization"] = anna.client.headers["Authorization"]
            asking = asyncio.create_task(client.get(f"/files/{file_id}"))
            async with projecting(patient):
                assert (await asking).json()["file_id"] == file_id
