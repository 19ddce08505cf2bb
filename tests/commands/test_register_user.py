"""Registering: credentials, event and free minutes, all or none."""

from uuid import UUID

import pytest

from commands.register_user import register_user
from domain.errors import EmailTaken
from domain.quota import QUOTA
from domain.user import USER, RegisterUser
from infrastructure.memory import InMemoryCredentials, InMemoryEventStore
from tests.builders import ANNA, BERT, NOON
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import quota_of, types_of


def register(user_id: UUID, email: str = "anna@example.com") -> RegisterUser:
    return RegisterUser(user_id=user_id, email=email, registered_at=NOON)


async def test_a_new_user_has_credentials_and_free_minutes(
    store: InMemoryEventStore, credentials: InMemoryCredentials
) -> None:
    await register_user(register(ANNA), b"hash", 60, credentials, PROVENANCE)
    assert types_of(await store.read_stream(USER.stream_id(ANNA))) == ["UserRegistered"]
    assert await quota_of(store) == (60, 0, 0)
    found = await credentials.find("anna@example.com")
    assert found is not None
    assert (found.user_id, found.password_hash) == (ANNA, b"hash")


async def test_a_taken_address_leaves_nothing_of_the_second_user(
    store: InMemoryEventStore, credentials: InMemoryCredentials
) -> None:
    await register_user(register(ANNA), b"hash", 60, credentials, PROVENANCE)
    with pytest.raises(EmailTaken):
        await register_user(register(BERT), b"other", 60, credentials, PROVENANCE)
    assert await store.read_stream(USER.stream_id(BERT)) == []
    assert await store.read_stream(QUOTA.stream_id(BERT)) == []


async def test_events_say_who_caused_them(
    store: InMemoryEventStore, credentials: InMemoryCredentials
) -> None:
    await register_user(register(ANNA), b"hash", 60, credentials, PROVENANCE)
    assert {(record.actor, record.correlation_id) for record in store} == {
        (PROVENANCE.actor, PROVENANCE.correlation_id)
    }
