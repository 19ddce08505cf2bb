"""C2SP signed notes: text with signatures of named Ed25519 keys beneath it."""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

ED25519: Final = b"\x01"
KEY_ID_BYTES: Final = 4
PUBLIC_BYTES: Final = 32
NOTE_BYTES_MAX: Final = 1 << 20
"""What others have added to it included."""

_SIGNATURE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_VERIFIER_KEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


class MalformedNote(Exception):
    """It is no signed note."""


class NotSigned(Exception):
    """None of the keys that are trusted has signed the note, or the text was changed after one had."""


class MalformedKey(Exception):
    """It is no verifier key as signed notes have them."""


class VerifierKey(Struct, frozen=True):
    """What it takes to tell whose signature one is: `name+id+key` as text."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.public).decode()}"

    def accepts(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


def verifier_key(text: str) -> VerifierKey:
    """Raises MalformedKey."""
    found = _VERIFIER_KEY.fullmatch(text.strip())
    if found is None:
        raise MalformedKey(f"{text.strip()[:80]!r} is no verifier key: it reads name+id+key")
    content = _decoded(found[3])
    key = VerifierKey(found[1], content[1:])
    if content[:1] != ED25519 or len(key.public) != PUBLIC_BYTES or key.key_id.hex() != found[2]:
        raise MalformedKey(f"the verifier key {found[1]} is damaged, or is none of Ed25519")
    return key


class SigningKey(Struct, frozen=True):
    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"SigningKey({self.verifier})"


class Signature(Struct, frozen=True):
    name: str
    key_id: bytes
    content: bytes


def signed(text: str, key: SigningKey) -> str:
    """`text` ends with a line feed."""
    assert text.endswith("\n")
    content = b64encode(key.verifier.key_id + key.private.sign(text.encode())).decode()
    return f"{text}\n— {key.name} {content}\n"


def parts_of(note: str) -> tuple[str, Sequence[Signature]]:
    """The text and its signatures, whose truth nobody has looked at yet. Raises MalformedNote."""
    text, blank, below = note.rpartition("\n\n")
    lines = below.split("\n")
    if (
        not blank
        or not text
        or lines.pop()
        or not lines
        or len(note) > NOTE_BYTES_MAX
        or _has_controls(note)
    ):
        raise MalformedNote("this is no signed note, or one that was cut off")
    return f"{text}\n", [_signature(line) for line in lines]


def verified_text(note: str, keys: Sequence[VerifierKey]) -> str:
    """What at least one of the keys has signed. Raises NotSigned or MalformedNote."""
    text, signatures = parts_of(note)
    known = {(key.name, key.key_id): key for key in keys}
    ours = [
        (known[each.name, each.key_id], each) for each in signatures if (each.name, each.key_id) in known
    ]
    for key, signature in ours:
        if not key.accepts(text, signature.content):
            raise NotSigned(f"the signature of {key.name} is not one of this text")
    if not ours:
        raise NotSigned(f"signed by {_named(signatures)}, and not by {_known(keys)}")
    return text


def _signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    content = _decoded(found[2]) if found else b""
    if found is None or len(content) <= KEY_ID_BYTES:
        raise MalformedNote("a line below the note is no signature")
    return Signature(found[1], content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def _named(signatures: Sequence[Signature]) -> str:
    return ", ".join(f"{each.name}+{each.key_id.hex()}" for each in signatures)


def _known(keys: Sequence[VerifierKey]) -> str:
    return " or ".join(f"{key.name}+{key.key_id.hex()}" for key in keys) or "any key we know"


def _has_controls(note: str) -> bool:
    return any(character < " " and character != "\n" for character in note)


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""
