"""Trees and proofs as in RFC 6962, and as another implementation has them."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import ConsistencyProof, InclusionProof, InmemoryTree

from evidence.merkle import (
    EMPTY_ROOT,
    ProofRefused,
    consistency_ranges,
    inclusion_ranges,
    joined,
    leaf_hash,
    node_hash,
    require_consistency,
    require_inclusion,
    subtrees_of,
)
from evidence.tiles import TreeEdge
from tests.evidence.trees import Tree

RFC_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
RFC_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first one, two and so on: the vectors that Certificate Transparency's own implementations are tested with."""

sizes = st.integers(1, 700)


def entries(count: int) -> Sequence[bytes]:
    return [b"entry %d" % number for number in range(count)]


def test_the_roots_are_those_of_the_known_vectors() -> None:
    edge = TreeEdge()
    for leaf, root in zip(RFC_LEAVES, RFC_ROOTS, strict=True):
        edge.append(leaf_hash(leaf))
        assert edge.root.hex() == root


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert TreeEdge().root == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(sizes)
def test_another_implementation_finds_the_same_root(size: int) -> None:
    theirs = InmemoryTree()
    theirs.append_entries(entries(size))
    assert Tree(entries(size)).root == theirs.get_root()


@given(sizes, st.data())
def test_another_implementation_makes_the_same_proof_of_inclusion_and_accepts_it(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree, theirs = Tree(entries(size)), InmemoryTree()
    theirs.append_entries(entries(size))
    path = [tree.root_of(leaves) for leaves in inclusion_ranges(index, size)]
    proof = theirs.prove_inclusion(index + 1)
    assert isinstance(proof, InclusionProof)
    assert proof.path[1:] == path
    leaf = leaf_hash(entries(size)[index])
    require_inclusion(leaf, index, theirs.get_root(), size, path)
    proof.verify(leaf, tree.root, index=index + 1, size=size)


@given(sizes, st.data())
def test_another_implementation_accepts_our_proof_of_consistency_and_we_its_roots(
    size: int, data: st.DataObject
) -> None:
    old_size = data.draw(st.integers(1, size))
    tree, old, theirs = Tree(entries(size)), Tree(entries(old_size)), InmemoryTree()
    theirs.append_entries(entries(size))
    path = [tree.root_of(leaves) for leaves in consistency_ranges(old_size, size)]
    require_consistency(theirs.get_root(old_size), old_size, theirs.get_root(), size, path)
    proof = theirs.prove_consistency(old_size)
    assert isinstance(proof, ConsistencyProof)
    proof.verify(old.root, tree.root, prior_size=old_size, later_size=size)


@given(sizes, st.data())
def test_a_proof_of_inclusion_proves_nothing_else(size: int, data: st.DataObject) -> None:
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    tree = Tree(entries(size))
    path = [tree.root_of(leaves) for leaves in inclusion_ranges(index, size)]
    leaf = leaf_hash(entries(size)[index])
    wrong = [
        (leaf_hash(b"another"), index, tree.root, size, path),
        (leaf, index, leaf_hash(b"another"), size, path),
        (leaf, index, tree.root, size, [*path, leaf]),
    ]
    wrong += [(leaf, other, tree.root, size, path)] if other != index else []
    wrong += [(leaf, index, tree.root, size, path[:-1])] if path else []
    for arguments in wrong:
        with pytest.raises(ProofRefused):
            require_inclusion(*arguments)


@given(st.integers(2, 700), st.data())
def test_a_rewritten_log_is_consistent_with_none_before_the_change(size: int, data: st.DataObject) -> None:
    old_size = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old_size - 1))
    rewritten = Tree([b"changed" if at == changed else each for at, each in enumerate(entries(size))])
    old = Tree(entries(old_size))
    path = [rewritten.root_of(leaves) for leaves in consistency_ranges(old_size, size)]
    with pytest.raises(ProofRefused):
        require_consistency(old.root, old_size, rewritten.root, size, path)


@pytest.mark.parametrize(
    ("old_size", "size", "proof"), [(0, 5, []), (6, 5, []), (3, 5, []), (5, 5, [EMPTY_ROOT]), (4, 5, [])]
)
def test_a_proof_of_consistency_of_another_shape_is_refused(
    old_size: int, size: int, proof: list[bytes]
) -> None:
    root = Tree(entries(5)).root
    with pytest.raises(ProofRefused):
        require_consistency(Tree(entries(old_size)).root, old_size, root, size, proof)


@given(st.integers(1, 5000))
def test_a_range_is_the_complete_subtrees_it_consists_of(size: int) -> None:
    found = subtrees_of((0, size))
    assert sum(1 << each.height for each in found) == size
    assert [each.height for each in found] == sorted({each.height for each in found}, reverse=True)


def test_the_smaller_subtrees_are_joined_first() -> None:
    first, second, third = (leaf_hash(name) for name in (b"a", b"b", b"c"))
    assert joined([first, second, third]) == node_hash(first, node_hash(second, third))
