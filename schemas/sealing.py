"""Personal fields of stored events, sealed: AES-256-GCM (NIST SP 800-38D) under a key of the person's own."""

import hmac
from binascii import a2b_base64
from collections.abc import Collection, Mapping
from typing import Final, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.random_bits import RandomBytes

SECRET_BYTES: Final = 32
FORM: Final = b"\x01"
"""Begins whatever is sealed in this way; another way would begin otherwise."""
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


_NAMES: Final = b"stenolog names of contents"

_next_nonce: Final = RandomBytes(_NONCE_BYTES).next
_encode: Final = msgspec.json.Encoder().encode


class Unsealable(Exception):
    """What is sealed cannot be opened: it was changed, or sealed for another place or with another key."""


class PersonKeyMissing(Unsealable):
    """There is no key of this person and never was one here, which is not the same as that it was erased."""

    def __init__(self, owner_id: UUID) -> None:
        super().__init__(
            f"there is no key of user {owner_id}: restore the table person_keys, newest backup first"
        )


class Sealer:
    """Seals with one secret of 32 bytes; `where` is what has to be the same when it is opened."""

    def __init__(self, secret: bytes) -> None:
        self.cipher = AESGCM(secret)

    def seal(self, content: bytes, where: bytes) -> bytes:
        """Form, nonce, then the content and its tag. Nonces are random: good for 2^32 contents with one secret."""
        nonce = _next_nonce()
        return FORM + nonce + self.cipher.encrypt(nonce, content, where)

    def open(self, sealed: bytes, where: bytes) -> bytes:
        """Raises Unsealable."""
        if sealed[:1] != FORM or len(sealed) < len(FORM) + _NONCE_BYTES + _TAG_BYTES:
            raise Unsealable("this was not sealed in a way that this version knows: run a newer Stenolog")
        start = len(FORM) + _NONCE_BYTES
        try:
            return self.cipher.decrypt(sealed[len(FORM) : start], sealed[start:], where)
        except InvalidTag:
            raise Unsealable("this was changed, or sealed for another place or with another key") from None


class PersonKey:
    """Seals the fields of one person's events."""

    def __init__(self, secret: bytes) -> None:
        self.secret: Final = secret
        self._sealer = Sealer(secret)
        self._encrypt = self._sealer.cipher.encrypt

    @staticmethod
    def new() -> "PersonKey":
        return PersonKey(AESGCM.generate_key(8 * SECRET_BYTES))

    def seal(self, value: object, where: bytes) -> bytes:
        """A JSON value. As Sealer does it, with no call that is not needed: it is part of nearly every append."""
        nonce = _next_nonce()
        return FORM + nonce + self._encrypt(nonce, _encode(value), where)

    def open(self, sealed: str, where: bytes) -> object:
        """Of base64, as which JSON has it. Raises Unsealable."""
        try:
            content = a2b_base64(sealed, strict_mode=True)
        except ValueError:
            raise Unsealable("this is not base64, and so nothing that was sealed") from None
        return msgspec.json.decode(self._sealer.open(content, where))

    def name(self, content: bytes) -> str:
        """The same for the same content, and nobody without the key can find out by trying what the content is."""
        secret = hmac.digest(self.secret, _NAMES, "sha256")  # one secret for one use
        return hmac.digest(secret, content, "sha256").hex()

    def __repr__(self) -> str:
        """Without the secret."""
        return "PersonKey(…)"


Keys: TypeAlias = Mapping[UUID, PersonKey | None]
"""By person. None for who was erased: what they said says nothing any more."""
NO_KEYS: Final[Keys] = {}


class _Blind(dict[UUID, PersonKey | None]):
    def __missing__(self, owner_id: UUID) -> None:
        return None


BLIND: Final[Keys] = _Blind()
"""For who needs nothing personal, and has no keys: whatever is sealed says nothing."""


@runtime_checkable
class KeyRing(Protocol):
    """The keys of all people. Methods raise EventStoreUnavailable."""

    async def of(self, owner_ids: Collection[UUID]) -> Keys:
        """Of these people, those that there are; None for who was erased."""
        ...

    def at_hand(self, owner_id: UUID) -> PersonKey | None:
        """This person's, if it is known without a wait."""
        ...

    async def provide(self, owner_id: UUID) -> PersonKey:
        """Made when it is first asked for; all who ask get the same. Raises PersonErased."""
        ...
