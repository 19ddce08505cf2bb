"""C2SP checkpoints: which log, how many entries, and the root over all of them, as the text of a signed note."""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from evidence.merkle import HASH_BYTES
from evidence.notes import MalformedNote, VerifierKey, parts_of, verified_text

_TEXT: Final = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


class Checkpoint(Struct, frozen=True):
    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def origin_of(installation_id: UUID, partition: int) -> str:
    """Which is also the name of the keys that sign there."""
    return f"stenolog/{installation_id}/{partition}"


def verified_checkpoint(note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Raises NotSigned or MalformedNote."""
    return _parsed(verified_text(note, keys))


def claimed_checkpoint(note: str) -> Checkpoint:
    """What it says, whoever signed it. Raises MalformedNote."""
    return _parsed(parts_of(note)[0])


def _parsed(text: str) -> Checkpoint:
    found = _TEXT.fullmatch(text)
    if found is None:
        raise MalformedNote("the note is signed, and is no checkpoint")
    root = b64decode(found[3])
    assert len(root) == HASH_BYTES
    return Checkpoint(found[1], int(found[2]), root)
