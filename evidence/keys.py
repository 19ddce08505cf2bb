"""The keys that sign checkpoints: read from the settings, and held against those that signed before."""

import re
from base64 import b64decode
from collections.abc import Collection, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from evidence.notes import SigningKey
from infrastructure.settings import InvalidSetting

VARIABLE: Final = "STENOLOG_SEAL_KEYS"
SEED_BYTES: Final = 32
_KEY: Final = re.compile(r"([A-Za-z0-9._-]{1,64}):([A-Za-z0-9+/]{43}=)")


class SealKey(Struct, frozen=True):
    """`key_id` is for people: what signs bears the name of the log."""

    key_id: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    def of(self, origin: str) -> SigningKey:
        return SigningKey(origin, self.private)

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"SealKey({self.key_id!r})"


class KeyLost(InvalidSetting):
    """Whoever verifies would see checkpoints signed by somebody unknown."""

    def __init__(self, keys: Sequence[SealKey]) -> None:
        given = ", ".join(key.key_id for key in keys)
        super().__init__(
            f"{VARIABLE}: none of its keys ({given}) has signed a checkpoint of this log, and another has: give that one "
            "back, behind the new one to replace it. If it is lost, say so with `stenolog seal --replace-lost-key`, once, "
            "and tell whoever verifies"
        )


def seal_keys(text: str) -> Sequence[SealKey]:
    """`id:base64,id:base64`; the first signs. Raises InvalidSetting."""
    keys = [_seal_key(each.strip()) for each in text.split(",") if each.strip()]
    if not keys:
        raise InvalidSetting(
            f"{VARIABLE} is missing: give it as id:key, where the key is 32 random bytes in base64 "
            "(`openssl rand -base64 32`)"
        )
    if len({key.key_id for key in keys}) < len(keys) or len({key.public for key in keys}) < len(keys):
        raise InvalidSetting(f"{VARIABLE} has a key, or the id of one, twice")
    return keys


def _seal_key(text: str) -> SealKey:
    found = _KEY.fullmatch(text)
    seed = b64decode(found[2]) if found else b""
    if found is None or len(seed) != SEED_BYTES:
        raise InvalidSetting(
            f"{VARIABLE}: give keys as id:key,id:key, each key 32 bytes in base64 (`openssl rand -base64 32`)"
        )
    return SealKey(found[1], Ed25519PrivateKey.from_private_bytes(seed))


def require_known(keys: Sequence[SealKey], signed_before: Collection[bytes]) -> None:
    """One of those that signed before has to be among them: a new key is introduced beside it. Raises KeyLost."""
    if signed_before and not any(key.public in signed_before for key in keys):
        raise KeyLost(keys)
