"""Compares stretches of a partition with its tiles, each by itself, so that several can be compared at the same time."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from msgspec import Struct

from evidence.differences import Rows, difference
from evidence.entries import EntryTooLarge, entry_of
from evidence.findings import RESTORE_TILE, Finding
from evidence.merkle import HASH_BYTES, ProofRefused, complete_root, leaf_hashes, require_inclusion
from evidence.published import PublishedTiles
from evidence.tiles import WIDTH, MalformedTile, Place, encode_bundle
from evidence.tree import PublishedTree

TILES_AT_ONCE: Final = 16
STRETCH: Final = 2 * TILES_AT_ONCE * WIDTH
"""Events that are compared in one go."""


class Stretch(Struct, frozen=True):
    """Leaves of a tree of `size` with this `root`; `start` is the first of a tile."""

    partition: int
    start: int
    end: int
    size: int
    root: bytes


class Compared(Struct, frozen=True, kw_only=True):
    """The roots of the full tiles, and the hashes of the partial one, as the events make them."""

    roots: bytes
    leaves: bytes
    findings: Sequence[Finding] = ()


def stretches(partition: int, size: int, root: bytes) -> Sequence[Stretch]:
    starts = range(0, size, STRETCH)
    return [Stretch(partition, start, min(start + STRETCH, size), size, root) for start in starts]


class Comparison:
    def __init__(self, rows: Rows, tiles: PublishedTiles, stretch: Stretch) -> None:
        self._rows = rows
        self._tiles = tiles
        self._stretch = stretch
        self._tree = PublishedTree(tiles, stretch.size)
        self._findings: list[Finding] = []

    async def compare(self) -> Compared:
        """Ends at the first event that is another; damaged tiles are told of and passed over."""
        roots, rest = [], b""
        async for first, entries in self._entries():
            hashes = leaf_hashes(entries)
            if not await self._is_as_sealed(first, entries, hashes):
                break
            if len(entries) == WIDTH:
                roots.append(complete_root(hashes))
            else:
                rest = hashes
        return Compared(roots=b"".join(roots), leaves=rest, findings=self._findings)

    async def _entries(self) -> AsyncIterator[tuple[int, Sequence[bytes]]]:
        """Tile by tile, with the index of its first leaf; fewer where the log ends before the tiles."""
        at, end = self._stretch.start, self._stretch.end
        while at < end:
            count = min(end - at, TILES_AT_ONCE * WIDTH)
            rows = await self._rows.following(self._stretch.partition, at, count)
            entries = _entries_of(rows)
            for first in range(0, count, WIDTH):
                yield at + first, entries[first : first + WIDTH]
            at += count

    async def _is_as_sealed(self, first: int, entries: Sequence[bytes], hashes: bytes) -> bool:
        """Whether the events of this tile are what was sealed."""
        width = min(WIDTH, self._stretch.size - first)
        place = Place(0, first // WIDTH, width)
        try:
            sealed = await self._tiles.hashes(place)
        except MalformedTile as problem:
            self._tell_tile(place, str(problem))
            sealed = b""
        if sealed and hashes != sealed and not await self._events_are_true(first, hashes, sealed, place):
            return False
        if len(entries) < width:  # Its tile is damaged, so that nobody can say more.
            return await self._missing(first + len(entries) + 1)
        await self._compare_bundle(first, entries)
        return True

    async def _events_are_true(self, first: int, hashes: bytes, sealed: bytes, place: Place) -> bool:
        """Whether it is the tile that is wrong, which is proven by the root that was signed."""
        within = _first_difference(hashes, sealed)
        ours, theirs = _hash_at(hashes, within), _hash_at(sealed, within)
        if await self._is_signed(theirs, first + within):
            found = await difference(self._stretch.partition, first + within + 1, self._rows, self._tree)
            self._findings.append(found)
            return False
        if len(ours) == HASH_BYTES and await self._is_signed(ours, first + within):
            self._tell_tile(place, f"{place.path} is not the tile that was sealed")
            return True
        self._tell_tile(place, f"{place.path}, or a tile above it, is not one that was sealed")
        return len(hashes) == len(sealed)

    async def _is_signed(self, leaf: bytes, index: int) -> bool:
        try:
            path = await self._tree.inclusion(index)
            require_inclusion(leaf, index, self._stretch.root, self._stretch.size, path)
        except (MalformedTile, ProofRefused):
            return False
        return True

    async def _missing(self, seq: int) -> bool:
        self._findings.append(await difference(self._stretch.partition, seq, self._rows, self._tree))
        return False

    async def _compare_bundle(self, first: int, entries: Sequence[bytes]) -> None:
        place = self._tree.bundle_of(first)
        try:
            if await self._tiles.bundle(place) == encode_bundle(entries):
                return
        except MalformedTile as problem:
            self._tell_tile(place, str(problem))
        else:
            self._tell_tile(place, f"{place.path} does not hold the entries that were sealed")

    def _tell_tile(self, place: Place, what: str) -> None:
        seq = (place.first if place.level == 0 else place.index * WIDTH) + 1
        told = f"{what}; {RESTORE_TILE}"
        self._findings.append(Finding(partition=self._stretch.partition, seq=seq, kind="tile", what=told))


def _entries_of(rows: Sequence[Any]) -> list[bytes]:
    """Whether a number is missing, or there twice, need not be asked: each entry says its own."""
    try:
        return [entry_of(row) for row in rows]
    except EntryTooLarge:
        return [_entry_or_nothing(row) for row in rows]


def _entry_or_nothing(row: Any) -> bytes:
    """No entry is empty, so that what cannot be one is found to be another."""
    try:
        return entry_of(row)
    except EntryTooLarge:
        return b""


def _first_difference(hashes: bytes, sealed: bytes) -> int:
    count = len(sealed) // HASH_BYTES
    return next(at for at in range(count) if _hash_at(hashes, at) != _hash_at(sealed, at))


def _hash_at(hashes: bytes, at: int) -> bytes:
    return hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]
