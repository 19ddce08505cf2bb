"""Tiles lie where C2SP tlog-tiles says, and hold what it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.merkle import consistency_ranges, inclusion_ranges, leaf_hash
from evidence.tiles import (
    WIDTH,
    HashTile,
    MalformedTile,
    Place,
    TreeEdge,
    bundle,
    decode_bundle,
    edge_of,
    encode_bundle,
    hashes_in,
)
from tests.evidence.trees import Tiled, Tree

SIZES = [1, 2, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 70_000]


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (Place(0, 0), "tile/0/000"),
        (Place(2, 1_234_067), "tile/2/x001/x234/067"),
        (Place(1, 1000, 5), "tile/1/x001/000.p/5"),
        (bundle(999, 255), "tile/entries/999.p/255"),
        (bundle(12), "tile/entries/012"),
    ],
)
def test_a_tile_has_the_path_that_the_specification_gives_it(place: Place, path: str) -> None:
    assert place.path == path


def test_the_edge_of_seventy_thousand_is_that_of_the_specification() -> None:
    assert edge_of(70_000) == [Place(0, 273, 112), Place(1, 1, 17), Place(2, 0, 1)]
    assert edge_of(256) == [Place(1, 0, 1)]


@pytest.mark.parametrize("size", SIZES)
def test_tiles_are_as_many_and_as_full_as_the_size_wants(size: int) -> None:
    tiled = Tiled(numbered(size))
    wanted = set[Place]()
    level, width = 0, size
    while width:
        wanted |= {Place(level, index) for index in range(width // WIDTH)}
        wanted |= {Place(level, width // WIDTH, width % WIDTH)} if width % WIDTH else set()
        level, width = level + 1, width // WIDTH
    assert tiled.tiles.keys() == wanted
    assert all(len(hashes) == 32 * place.width for place, hashes in tiled.tiles.items())


@pytest.mark.parametrize("size", SIZES[:8])
def test_tiles_alone_give_the_root_and_every_proof(size: int) -> None:
    tree, tiled = Tree(numbered(size)), Tiled(numbered(size))
    assert tiled.root == tree.root
    for other in {0, size // 3, size // 2, size - 1}:
        for leaves in [*inclusion_ranges(other, size), *consistency_ranges(other or 1, size)]:
            assert tiled.root_of(leaves) == tree.root_of(leaves)


@given(st.integers(0, 600), st.integers(0, 600))
def test_a_tree_that_goes_on_from_its_edge_is_the_tree_that_never_stopped(first: int, more: int) -> None:
    whole, part = TreeEdge(), TreeEdge()
    for number in range(first):
        part.append(leaf_hash(b"%d" % number))
    part = TreeEdge(part.size, part.partial)
    for number in range(first, first + more):
        part.append(leaf_hash(b"%d" % number))
    for number in range(first + more):
        whole.append(leaf_hash(b"%d" % number))
    assert (part.root, part.partial) == (whole.root, whole.partial)


def test_a_tree_of_the_roots_of_full_tiles_is_the_tree_of_their_leaves() -> None:
    entries = numbered(66_000)
    tiled, edge = Tiled(entries), TreeEdge()
    full, rest = len(entries) // WIDTH, len(entries) % WIDTH
    for index in range(full):
        edge.append_tile(tiled.root_of((index * WIDTH, (index + 1) * WIDTH)))
    for entry in entries[-rest:]:
        edge.append(leaf_hash(entry))
    assert edge.root == tiled.root


@pytest.mark.parametrize("cut", [b"", b"\0" * 31, b"\0" * 64])
def test_an_edge_of_tiles_that_were_cut_off_is_refused(cut: bytes) -> None:
    with pytest.raises(MalformedTile):
        TreeEdge(1, [HashTile(Place(0, 0, 1), cut)])


def test_an_edge_with_a_missing_tile_is_refused() -> None:
    with pytest.raises(MalformedTile):
        TreeEdge(257, [HashTile(Place(0, 1, 1), b"\0" * 32)])


@given(st.lists(st.binary(max_size=300), max_size=WIDTH))
def test_a_bundle_gives_back_what_was_put_into_it(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=5), st.data())
def test_a_bundle_that_was_cut_off_within_an_entry_is_refused(
    entries: list[bytes], data: st.DataObject
) -> None:
    content = encode_bundle(entries)
    last = len(entries[-1]) + 1
    with pytest.raises(MalformedTile):
        decode_bundle(content[: -data.draw(st.integers(1, last))])


def test_a_bundle_of_more_than_a_tile_is_refused() -> None:
    with pytest.raises(MalformedTile):
        decode_bundle(encode_bundle([b"x"] * (WIDTH + 1)))


def test_the_hashes_of_a_tile_come_one_by_one() -> None:
    assert hashes_in(b"a" * 32 + b"b" * 32) == [b"a" * 32, b"b" * 32]
