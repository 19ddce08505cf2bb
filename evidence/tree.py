"""A published tree, read as far as a proof needs it."""

from collections.abc import Sequence
from typing import Final

from evidence.merkle import Range, consistency_ranges, inclusion_ranges, joined, subtrees_of
from evidence.published import PublishedTiles
from evidence.tiles import WIDTH, Place, bundle, place_of, root_in

KEPT_MAX: Final = 64
"""Tiles of 8 KiB at the most; a proof reads one of each level, again and again the same."""


class PublishedTree:
    """In the size of one checkpoint. Every method raises MalformedTile or ObjectStoreUnavailable."""

    def __init__(self, tiles: PublishedTiles, size: int) -> None:
        self._tiles = tiles
        self._size = size
        self._kept: dict[Place, bytes] = {}

    @property
    def size(self) -> int:
        return self._size

    async def inclusion(self, index: int) -> Sequence[bytes]:
        return [await self.root_of(leaves) for leaves in inclusion_ranges(index, self._size)]

    async def consistency(self, old_size: int) -> Sequence[bytes]:
        return [await self.root_of(leaves) for leaves in consistency_ranges(old_size, self._size)]

    async def root_of(self, leaves: Range) -> bytes:
        roots = []
        for subtree in subtrees_of(leaves):
            place, within = place_of(subtree, self._size)
            roots.append(root_in(await self._hashes(place), within))
        return joined(roots)

    async def leaf(self, index: int) -> bytes:
        return await self.root_of((index, index + 1))

    async def entry(self, index: int) -> bytes:
        entries = await self._tiles.entries(self.bundle_of(index))
        return entries[index % WIDTH]

    def bundle_of(self, index: int) -> Place:
        first = index - index % WIDTH
        return bundle(index // WIDTH, min(WIDTH, self._size - first))

    async def _hashes(self, place: Place) -> bytes:
        if place not in self._kept:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[place] = await self._tiles.hashes(place)
        return self._kept[place]
