"""Trees held whole, and their tiles: what the published ones have to be equal to."""

from collections.abc import Sequence
from functools import cached_property

from evidence.merkle import Range, joined, leaf_hash, node_hash, subtrees_of
from evidence.tiles import HashTile, Place, TreeEdge, place_of, root_in


class Tree:
    """By the definition of RFC 6962, 2.1, without a thought for time."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.leaves = [leaf_hash(entry) for entry in entries]

    @cached_property
    def root(self) -> bytes:
        return self.root_of((0, len(self.leaves))) if self.leaves else TreeEdge().root

    def root_of(self, leaves: Range) -> bytes:
        start, end = leaves
        if end - start == 1:
            return self.leaves[start]
        left = 1
        while 2 * left < end - start:
            left *= 2
        return node_hash(self.root_of((start, start + left)), self.root_of((start + left, end)))


class Tiled:
    """The same as tiles alone, full and partial."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        edge, tiles = TreeEdge(), list[HashTile]()
        for entry in entries:
            tiles += edge.append(leaf_hash(entry))
        self.size, self.root = edge.size, edge.root
        self.tiles: dict[Place, bytes] = {tile.place: tile.hashes for tile in [*tiles, *edge.partial]}

    def root_of(self, leaves: Range) -> bytes:
        roots = []
        for subtree in subtrees_of(leaves):
            place, within = place_of(subtree, self.size)
            roots.append(root_in(self.tiles[place], within))
        return joined(roots)
