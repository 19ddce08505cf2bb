"""Master keys, which wrap the keys of people: from the settings, the first wraps and all of them unwrap.

KeysUnfit
├── MasterKeyMissing    a person's key is wrapped by one that is not given
└── MasterKeyWrong      the one that is given under this name is another
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from infrastructure.settings import InvalidSetting
from schemas.sealing import SECRET_BYTES, PersonKey, Sealer, Unsealable

VARIABLE: Final = "STENOLOG_MASTER_KEYS"
_KEY: Final = re.compile(r"([A-Za-z0-9._-]{1,64})=([A-Za-z0-9+/]{43}=)")
_HOW: Final = "NAME=BASE64, with 32 random bytes in base64 (`openssl rand -base64 32`)"


class KeysUnfit(InvalidSetting):
    """The master keys that are given are not those that keys of people were wrapped with."""


class MasterKeyMissing(KeysUnfit):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"{VARIABLE}: keys of people are wrapped by the master key {name}, which is not among those given: "
            "give it back, behind the one to be used from now on; without it what it wraps cannot be read"
        )


class MasterKeyWrong(KeysUnfit):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"{VARIABLE}: {name} is another key than the one that keys of people were wrapped with under this name: "
            "give that one back, and give a new one a new name"
        )


class WrappedKey(Struct, frozen=True):
    """A person's key as it is stored; `master_key` is the name of the one that wraps it."""

    master_key: str
    wrapped: bytes


class MasterKeys:
    """At least one, by name; the first wraps."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self.first: Final = next(iter(secrets))
        self._sealers = {name: Sealer(secret) for name, secret in secrets.items()}

    def wrap(self, owner_id: UUID, key: PersonKey) -> WrappedKey:
        """For this person alone: it does not unwrap as anybody else's."""
        return WrappedKey(self.first, self._sealers[self.first].seal(key.secret, owner_id.bytes))

    def unwrap(self, owner_id: UUID, stored: WrappedKey) -> PersonKey:
        """Raises MasterKeyMissing or MasterKeyWrong."""
        sealer = self._sealers.get(stored.master_key)
        if sealer is None:
            raise MasterKeyMissing(stored.master_key)
        try:
            return PersonKey(sealer.open(stored.wrapped, owner_id.bytes))
        except Unsealable:
            raise MasterKeyWrong(stored.master_key) from None

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"MasterKeys({', '.join(self._sealers)})"


def master_keys(text: str) -> MasterKeys:
    """`NAME=BASE64,NAME=BASE64`. Raises InvalidSetting, which quotes none of it."""
    given = [_master_key(each.strip()) for each in text.split(",") if each.strip()]
    if not given:
        raise InvalidSetting(f"{VARIABLE} is missing: give it as {_HOW}; keep it apart from the database")
    _require_different(given)
    return MasterKeys(dict(given))


def _master_key(text: str) -> tuple[str, bytes]:
    found = _KEY.fullmatch(text)
    secret = b64decode(found[2]) if found else b""
    if found is None or len(secret) != SECRET_BYTES:
        raise InvalidSetting(f"{VARIABLE}: give each key as {_HOW}, and a comma between two")
    return found[1], secret


def _require_different(given: Sequence[tuple[str, bytes]]) -> None:
    names, secrets = zip(*given, strict=True)
    if len(set(names)) < len(given) or len(set(secrets)) < len(given):
        raise InvalidSetting(f"{VARIABLE} has a key, or the name of one, twice")
