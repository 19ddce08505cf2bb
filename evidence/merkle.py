"""RFC 6962 Merkle trees: hashes, roots, and proofs of inclusion and consistency."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from msgspec import Struct

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256().digest()

Range: TypeAlias = tuple[int, int]
"""Leaves, from the first to before the last: a part of the tree with a root of its own."""


class Subtree(Struct, frozen=True):
    """A complete one, of `2 ** height` leaves; the `index`-th of its height."""

    height: int
    index: int


class ProofRefused(Exception):
    """A proof does not show what it is said to show."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def leaf_hashes(entries: Sequence[bytes]) -> bytes:
    """One after the other."""
    return b"".join([sha256(b"\0" + entry).digest() for entry in entries])


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def complete_root(hashes: bytes) -> bytes:
    """Of a power of two of hashes, one after the other."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\1" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
    return hashes


def joined(roots: Sequence[bytes]) -> bytes:
    """The root over complete subtrees that grow smaller to the right, as those of any range do."""
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def subtrees_of(leaves: Range) -> Sequence[Subtree]:
    """Those a range consists of, left to right; it begins where a subtree of its size would."""
    start, end = leaves
    found = []
    while start < end:
        height = (end - start).bit_length() - 1
        found.append(Subtree(height, start >> height))
        start += 1 << height
    return found


def inclusion_ranges(index: int, size: int) -> Sequence[Range]:
    """Whose roots prove that the leaf `index` is in a tree of `size`, from its sibling up."""
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + _left_part(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_ranges(old_size: int, size: int) -> Sequence[Range]:
    """Whose roots prove that a tree of `old_size` is the beginning of one of `size`."""
    start, end, found = 0, size, []
    while old_size != end:
        middle = start + _left_part(end - start)
        if old_size <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    if start:  # Else that is the old root itself, which the verifier has.
        found.append((start, end))
    return found[::-1]


def require_inclusion(leaf: bytes, index: int, root: bytes, size: int, proof: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.3.2. Raises ProofRefused."""
    if not 0 <= index < size:
        raise ProofRefused(f"leaf {index} is in no tree of {size}")
    node, last, found = index, size - 1, leaf
    for part in proof:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if node & 1 or node == last:
            found = node_hash(part, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, part)
        node, last = node >> 1, last >> 1
    if last or found != root:
        raise ProofRefused("the proof does not lead to the root")


def require_consistency(
    old_root: bytes, old_size: int, root: bytes, size: int, proof: Sequence[bytes]
) -> None:
    """RFC 9162, 2.1.4.2. Raises ProofRefused."""
    if not 0 < old_size <= size:
        raise ProofRefused(f"a tree of {old_size} is no beginning of one of {size}")
    if old_size == size:
        if proof or old_root != root:
            raise ProofRefused("the roots differ")
        return
    # A whole subtree is its own beginning, and left out of the proof.
    parts = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not parts:
        raise ProofRefused("the proof is empty")
    _require_both_roots(old_root, old_size, root, size, parts)


def _require_both_roots(
    old_root: bytes, old_size: int, root: bytes, size: int, parts: Sequence[bytes]
) -> None:
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_found = found = parts[0]
    for part in parts[1:]:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if node & 1 or node == last:
            old_found, found = node_hash(part, old_found), node_hash(part, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, part)
        node, last = node >> 1, last >> 1
    if last or old_found != old_root or found != root:
        raise ProofRefused("the proof does not lead to both roots")


def _left_part(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
