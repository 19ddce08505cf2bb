"""A tree as C2SP tlog-tiles: its hashes and its entries in files of 256, all but the rightmost of which never change."""

from collections.abc import Sequence
from itertools import islice
from struct import pack
from typing import Final

from msgspec import Struct

from evidence.merkle import EMPTY_ROOT, HASH_BYTES, Subtree, complete_root, joined, subtrees_of

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
TILE_BYTES: Final = WIDTH * HASH_BYTES
ENTRY_BYTES_MAX: Final = 0xFFFF
"""Its length stands before it in two bytes."""
_LENGTH_BYTES: Final = 2


class MalformedTile(Exception):
    """What lies in a tile's place is none, or is cut off."""


class Place(Struct, frozen=True):
    """Which tile: of the `index`-th at its level, the first `width` hashes, or entries where there is no level."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Below the log's own."""
        kind = "entries" if self.level is None else str(self.level)
        part = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{_number(self.index)}{part}"

    @property
    def first(self) -> int:
        """Of the leaves below it."""
        return self.index << HEIGHT * ((self.level or 0) + 1)


def bundle(index: int, width: int = WIDTH) -> Place:
    return Place(None, index, width)


def _number(index: int) -> str:
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03}")
    return "/".join(reversed(parts))


def edge_of(size: int) -> Sequence[Place]:
    """The partial hash tiles of a tree, from the leaves up."""
    found, level = [], 0
    while size:
        if width := size % WIDTH:
            found.append(Place(level, size // WIDTH, width))
        size, level = size // WIDTH, level + 1
    return found


def place_of(subtree: Subtree, size: int) -> tuple[Place, Subtree]:
    """The tile, in a tree of `size`, that has the root of a complete subtree in it, and where it is there."""
    level, height = divmod(subtree.height, HEIGHT)
    first = subtree.index << height  # Of the tile's own hashes, as if all tiles of its level were one.
    index, within = divmod(first, WIDTH)
    width = min(WIDTH, (size >> HEIGHT * level) - index * WIDTH)
    return Place(level, index, width), Subtree(height, within >> height)


def root_in(hashes: bytes, subtree: Subtree) -> bytes:
    """Of a subtree of a tile's own hashes."""
    length = HASH_BYTES << subtree.height
    return complete_root(hashes[subtree.index * length : (subtree.index + 1) * length])


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    lengths = pack(f">{len(entries)}H", *map(len, entries))
    parts = [b""] * (2 * len(entries))  # In one go: as many bytes as the log has pass through here.
    parts[::2] = [lengths[at : at + _LENGTH_BYTES] for at in range(0, len(lengths), _LENGTH_BYTES)]
    parts[1::2] = entries
    return b"".join(parts)


def decode_bundle(content: bytes) -> Sequence[bytes]:
    """Raises MalformedTile."""
    entries, at = [], 0
    while at < len(content):
        begins = at + _LENGTH_BYTES
        at = begins + int.from_bytes(content[at:begins])
        entries.append(content[begins:at])
    if at != len(content) or len(entries) > WIDTH:
        raise MalformedTile("a bundle of entries is cut off, or is none")
    return entries


class HashTile(Struct, frozen=True):
    place: Place
    hashes: bytes


class TreeEdge:
    """The rightmost hash tile of each level: all it takes for a tree to grow, and to know its root."""

    def __init__(self, size: int = 0, partial: Sequence[HashTile] = ()) -> None:
        """Raises MalformedTile unless `partial` are the tiles that `edge_of(size)` names."""
        self.size = size
        self._levels: list[bytearray] = []
        if [tile.place for tile in partial] != list(edge_of(size)):
            raise MalformedTile("other tiles than those at the edge")
        for tile in partial:
            if len(tile.hashes) != tile.place.width * HASH_BYTES:
                raise MalformedTile(f"{tile.place.path} is cut off, or is none")
            assert tile.place.level is not None
            self._of_level(tile.place.level).extend(tile.hashes)

    def append(self, leaf: bytes) -> Sequence[HashTile]:
        """The tiles that are full with it."""
        self.size += 1
        return self._add(0, leaf)

    def append_tile(self, root: bytes) -> Sequence[HashTile]:
        """As many leaves as a full tile has, by their root alone."""
        assert self.size % WIDTH == 0
        self.size += WIDTH
        return self._add(1, root)

    def _add(self, level: int, new: bytes) -> Sequence[HashTile]:
        hashes = self._of_level(level)
        hashes += new
        if len(hashes) < TILE_BYTES:
            return []
        full = HashTile(Place(level, (self.size >> HEIGHT * (level + 1)) - 1), bytes(hashes))
        hashes.clear()
        return [full, *self._add(level + 1, complete_root(full.hashes))]

    def _of_level(self, level: int) -> bytearray:
        while len(self._levels) <= level:
            self._levels.append(bytearray())
        return self._levels[level]

    @property
    def partial(self) -> Sequence[HashTile]:
        places = {place.level: place for place in edge_of(self.size)}
        return [
            HashTile(places[level], bytes(hashes)) for level, hashes in enumerate(self._levels) if hashes
        ]

    @property
    def root(self) -> bytes:
        if not self.size:
            return EMPTY_ROOT
        return joined([root for tile in reversed(self.partial) for root in _roots(tile)])


def _roots(tile: HashTile) -> Sequence[bytes]:
    return [root_in(tile.hashes, subtree) for subtree in subtrees_of((0, tile.place.width))]


def hashes_in(content: bytes) -> Sequence[bytes]:
    """One by one."""
    return [content[at : at + HASH_BYTES] for at in islice(range(0, len(content), HASH_BYTES), WIDTH)]
