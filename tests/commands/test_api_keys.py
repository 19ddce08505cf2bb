"""Making and revoking API keys: in turns, so that the limit holds however many ask at once."""

import asyncio
from uuid import UUID, uuid4

import pytest

from commands.create_api_key import create_api_key
from commands.execution import load
from commands.revoke_all_api_keys import revoke_all_api_keys
from commands.revoke_api_key import revoke_api_key
from domain.api_keys import API_KEYS, KEYS_MAX, CreateApiKey, RevokeAllApiKeys, RevokeApiKey
from domain.errors import ApiKeyNotFound, PersonErased, TooManyApiKeys
from domain.log import Address
from domain.user import USER
from infrastructure.memory import InMemoryEventStore
from tests.builders import ANNA, BERT, NOON, erasure_requested, registered
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import happened, types_of

CALLERS = 100


def creation(user_id: UUID = ANNA) -> CreateApiKey:
    return CreateApiKey(
        key_id=uuid4(),
        user_id=user_id,
        name="Bazarr",
        scopes=("read",),
        prefix="steno_Ab12Cd",
        key_sha256=uuid4().hex,
        created_at=NOON,
    )


def revocation(key_id: UUID, user_id: UUID = ANNA) -> RevokeApiKey:
    return RevokeApiKey(key_id=key_id, user_id=user_id, revoked_at=NOON)


async def test_of_a_hundred_who_ask_at_once_as_many_get_a_key_as_there_may_be(
    store: InMemoryEventStore,
) -> None:
    answers = await asyncio.gather(
        *(create_api_key(creation(), store, PROVENANCE) for _ in range(CALLERS)), return_exceptions=True
    )
    assert sum(isinstance(answer, Address) for answer in answers) == KEYS_MAX
    assert sum(isinstance(answer, TooManyApiKeys) for answer in answers) == CALLERS - KEYS_MAX
    assert len(await store.read_stream(API_KEYS.stream_id(ANNA))) == KEYS_MAX


async def test_of_a_hundred_who_revoke_a_key_at_once_one_does(store: InMemoryEventStore) -> None:
    command = creation()
    await create_api_key(command, store, PROVENANCE)
    asked = [revoke_api_key(revocation(command.key_id), store, PROVENANCE) for _ in range(CALLERS)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Address) for answer in answers) == 1
    assert sum(isinstance(answer, ApiKeyNotFound) for answer in answers) == CALLERS - 1
    types = types_of(await store.read_stream(API_KEYS.stream_id(ANNA)))
    assert types == ["ApiKeyCreated", "ApiKeyRevoked"]


async def test_nobody_revokes_the_key_of_another(store: InMemoryEventStore) -> None:
    command = creation()
    await create_api_key(command, store, PROVENANCE)
    with pytest.raises(ApiKeyNotFound):
        await revoke_api_key(revocation(command.key_id, BERT), store, PROVENANCE)
    assert command.key_id in (await load(store, API_KEYS, ANNA, ANNA)).state.keys


async def test_who_has_asked_to_be_erased_makes_no_key_and_loses_all(store: InMemoryEventStore) -> None:
    await happened(store, USER.stream_id(ANNA), registered())
    command = creation()
    await create_api_key(command, store, PROVENANCE)
    await happened(store, USER.stream_id(ANNA), erasure_requested())
    with pytest.raises(PersonErased):
        await create_api_key(creation(), store, PROVENANCE)
    with pytest.raises(PersonErased):
        await revoke_api_key(revocation(command.key_id), store, PROVENANCE)
    leaving = RevokeAllApiKeys(user_id=ANNA, revoked_at=NOON)
    assert await revoke_all_api_keys(leaving, store, PROVENANCE) is not None
    assert await revoke_all_api_keys(leaving, store, PROVENANCE) is None
    assert (await load(store, API_KEYS, ANNA, ANNA)).state.keys == {}
