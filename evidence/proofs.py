"""C2SP tlog-proofs: an entry, its path to the root and the checkpoint with that root, in a file that proves itself."""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from evidence.checkpoints import Checkpoint, verified_checkpoint
from evidence.merkle import HASH_BYTES, leaf_hash, require_inclusion
from evidence.notes import VerifierKey

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
PROOF_BYTES_MAX: Final = 1 << 20
_HEAD: Final = re.compile(
    re.escape(FIRST_LINE)
    + r"\nextra ([A-Za-z0-9+/]*={0,2})\nindex (0|[1-9][0-9]{0,18})\n((?:[A-Za-z0-9+/]{43}=\n){0,64})\n"
)


class MalformedProof(Exception):
    """It is no proof, or one without the entry."""


class Proof(Struct, frozen=True):
    """The entry is its extra line: who has the proof needs nothing else."""

    entry: bytes
    index: int
    path: Sequence[bytes]
    checkpoint: str
    """The signed note."""

    @property
    def text(self) -> str:
        head = f"{FIRST_LINE}\nextra {b64encode(self.entry).decode()}\nindex {self.index}\n"
        return (
            head + "".join(f"{b64encode(each).decode()}\n" for each in self.path) + f"\n{self.checkpoint}"
        )

    def require(self, keys: Sequence[VerifierKey]) -> Checkpoint:
        """The checkpoint that holds the entry. Raises NotSigned, MalformedNote or ProofRefused."""
        checkpoint = verified_checkpoint(self.checkpoint, keys)
        require_inclusion(leaf_hash(self.entry), self.index, checkpoint.root, checkpoint.size, self.path)
        return checkpoint


def proof_of(text: str) -> Proof:
    """What a file holds, whose truth nobody has looked at yet. Raises MalformedProof."""
    head = _HEAD.match(text) if len(text) <= PROOF_BYTES_MAX else None
    if head is None:
        raise MalformedProof("this is no tlog-proof with its entry, or one that was cut off")
    try:
        entry = b64decode(head[1], validate=True)
    except ValueError as problem:
        raise MalformedProof("the entry in the proof is damaged") from problem
    path = [b64decode(line) for line in head[3].split()]
    assert all(len(each) == HASH_BYTES for each in path)
    return Proof(entry, int(head[2]), path, text[head.end() :])
