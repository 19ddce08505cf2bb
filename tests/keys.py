"""Master keys and keys of people for tests."""

from base64 import b64encode
from collections.abc import Collection
from typing import Final
from uuid import UUID

from infrastructure.master_keys import MasterKeys, WrappedKey, master_keys
from infrastructure.postgres.person_keys import PostgresPersonKeys
from infrastructure.postgres.pool import Connection, Pool
from infrastructure.settings import Settings
from projections.reading import Reading
from schemas.sealing import Keys, PersonKey


def as_setting(**secrets: bytes) -> str:
    """As STENOLOG_MASTER_KEYS has them."""
    return ",".join(f"{name}={b64encode(secret).decode()}" for name, secret in secrets.items())


OLD_SECRET: Final = bytes(range(32))
NEW_SECRET: Final = bytes(range(32, 64))
MASTER_KEYS_TEXT: Final = as_setting(test=OLD_SECRET)
MASTER_KEYS: Final[MasterKeys] = master_keys(MASTER_KEYS_TEXT)
KEY: Final = PersonKey(bytes(range(64, 96)))


class _Everybody(dict[UUID, PersonKey | None]):
    def __missing__(self, owner_id: UUID) -> PersonKey:
        return KEY


EVERYBODYS: Final[Keys] = _Everybody()
"""The same key for all."""


class Everybody:
    """A KeyRing in which all have the same key."""

    async def of(self, owner_ids: Collection[UUID]) -> Keys:
        del owner_ids
        return EVERYBODYS

    def at_hand(self, owner_id: UUID) -> PersonKey | None:
        del owner_id
        return KEY

    async def provide(self, owner_id: UUID) -> PersonKey:
        del owner_id
        return KEY


READING: Final = Reading(Everybody().of)


def keys_on(pool: Pool, keys: MasterKeys = MASTER_KEYS) -> PostgresPersonKeys:
    """The real ones, on a database with the log's tables."""
    return PostgresPersonKeys(pool, keys)


async def stored_keys(connection: Connection | Pool, settings: Settings) -> Keys:
    """All that there are, read without the code under test; None for who was erased."""
    rows = await connection.fetch("select owner_id, master_key, wrapped from person_keys")
    unwrap = master_keys(settings.master_keys).unwrap
    return {
        row["owner_id"]: unwrap(row["owner_id"], WrappedKey(row["master_key"], row["wrapped"]))
        if row["wrapped"]
        else None
        for row in rows
    }
