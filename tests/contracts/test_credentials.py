"""Credentials: an e-mail address belongs to one user, and a user is registered with credentials or not at all."""

import asyncio
from uuid import UUID, uuid4

import pytest

from domain.errors import EmailTaken, PersonErased
from domain.log import Address, VersionConflict
from domain.ports import Credentials, EventLog, EventStore, OwnCredentials, StoredCredentials
from tests.builders import ANNA, BERT, erasure_requested, registered
from tests.contracts.log_entries import append, heads, provenance


async def register(credentials: Credentials, user_id: UUID, email: str, *, at: int = 0) -> Address:
    return await credentials.register(
        email,
        StoredCredentials(user_id=user_id, password_hash=b"hash of " + email.encode()),
        [append(user_id, stream="user", at=at, events=[registered(user_id=user_id, email=email)])],
        provenance(),
    )


async def test_credentials_are_found_by_the_address(credentials: Credentials) -> None:
    await register(credentials, ANNA, "anna@example.com")
    found = await credentials.find("anna@example.com")
    assert found == StoredCredentials(user_id=ANNA, password_hash=b"hash of anna@example.com")


async def test_an_unknown_address_has_no_credentials(credentials: Credentials) -> None:
    assert await credentials.find("nobody@example.com") is None


async def test_registering_appends_the_events(credentials: Credentials, store: EventStore) -> None:
    address = await register(credentials, ANNA, "anna@example.com")
    assert address.seq == 1
    assert list(await store.read_stream(f"user-{ANNA}")) == [registered()]


@pytest.mark.parametrize("email", ["Anna@example.com", "\u212aate@example.com", "kate@example.com "])
async def test_no_other_form_finds_an_address(credentials: Credentials, email: str) -> None:
    await register(credentials, ANNA, "anna@example.com")
    await register(credentials, BERT, "kate@example.com")
    assert await credentials.find(email) is None


async def test_a_taken_address_leaves_no_events(credentials: Credentials, log: EventLog) -> None:
    await register(credentials, ANNA, "anna@example.com")
    before = await heads(log)
    with pytest.raises(EmailTaken):
        await register(credentials, BERT, "anna@example.com")
    assert await heads(log) == before


async def test_a_refused_append_leaves_no_credentials(credentials: Credentials) -> None:
    with pytest.raises(VersionConflict):
        await register(credentials, ANNA, "anna@example.com", at=1)
    assert await credentials.find("anna@example.com") is None


async def test_of_many_who_want_an_address_exactly_one_gets_it(
    credentials: Credentials, log: EventLog
) -> None:
    wanted = [register(credentials, uuid4(), "anna@example.com") for _ in range(20)]
    answers = await asyncio.gather(*wanted, return_exceptions=True)
    assert sum(isinstance(answer, Address) for answer in answers) == 1
    assert sum(isinstance(answer, EmailTaken) for answer in answers) == 19
    assert sum(await heads(log)) == 1


async def request_erasure(credentials: Credentials, user_id: UUID, *, at: int = 1) -> Address:
    asked = append(user_id, stream="user", at=at, events=[erasure_requested(user_id=user_id)])
    return await credentials.request_erasure(user_id, asked, provenance())


async def test_credentials_are_found_by_the_user(credentials: Credentials) -> None:
    await register(credentials, ANNA, "anna@example.com")
    assert await credentials.find_of(ANNA) == OwnCredentials(
        user_id=ANNA, password_hash=b"hash of anna@example.com", email="anna@example.com"
    )
    assert await credentials.find_of(BERT) is None


async def test_who_asks_to_be_erased_is_marked_with_the_event(
    credentials: Credentials, store: EventStore
) -> None:
    await register(credentials, ANNA, "anna@example.com")
    await register(credentials, BERT, "bert@example.com")
    await request_erasure(credentials, ANNA)
    for found in (await credentials.find("anna@example.com"), await credentials.find_of(ANNA)):
        assert found is not None
        assert found.leaves
    assert (await store.read_stream(f"user-{ANNA}"))[-1] == erasure_requested()
    other = await credentials.find("bert@example.com")
    assert other is not None
    assert not other.leaves


async def test_a_refused_request_to_be_erased_leaves_no_mark(credentials: Credentials) -> None:
    await register(credentials, ANNA, "anna@example.com")
    with pytest.raises(VersionConflict):
        await request_erasure(credentials, ANNA, at=2)
    found = await credentials.find_of(ANNA)
    assert found is not None
    assert not found.leaves


async def test_who_has_no_credentials_cannot_ask_to_be_erased(
    credentials: Credentials, log: EventLog
) -> None:
    with pytest.raises(PersonErased):
        await request_erasure(credentials, ANNA, at=0)
    assert sum(await heads(log)) == 0


async def test_of_many_who_ask_to_be_erased_at_once_exactly_one_is_first(credentials: Credentials) -> None:
    await register(credentials, ANNA, "anna@example.com")
    asked = [request_erasure(credentials, ANNA) for _ in range(20)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Address) for answer in answers) == 1
    assert sum(isinstance(answer, VersionConflict) for answer in answers) == 19
