"""Makes lost or damaged tiles anew from the log, once it is shown that the log still is what was sealed."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from evidence.entries import entry_of
from evidence.merkle import leaf_hash
from evidence.published import PublishedTiles
from evidence.sealer import LogDiffers
from evidence.tables import EvidenceTables
from evidence.tiles import WIDTH, Place, TreeEdge, bundle, encode_bundle

BUNDLES_AT_ONCE: Final = 8


async def republish(partition: int, tables: EvidenceTables, tiles: PublishedTiles) -> int:
    """How many events there are tiles of now. Raises LogDiffers, before anything is written."""
    latest = await tables.latest(partition)
    if latest is None:
        return 0
    edge = TreeEdge()
    async for entries in _bundles(partition, latest.size, tables):
        for entry in entries:
            edge.append(leaf_hash(entry))
    if (edge.size, edge.root) != (latest.size, latest.root):
        raise LogDiffers(
            partition, "its events are not those that were sealed, so their tiles are not made anew"
        )
    await _publish(partition, latest.size, tables, tiles)
    await tiles.put_checkpoint(latest.note)
    return latest.size


async def _publish(partition: int, size: int, tables: EvidenceTables, tiles: PublishedTiles) -> None:
    edge, full = TreeEdge(), dict[Place, bytes]()
    async for entries in _bundles(partition, size, tables):
        full[bundle(edge.size // WIDTH, len(entries))] = encode_bundle(entries)
        for entry in entries:
            full |= {tile.place: tile.hashes for tile in edge.append(leaf_hash(entry))}
        if len(full) >= BUNDLES_AT_ONCE:
            await tiles.put(full)
            full.clear()
    await tiles.put(full | {tile.place: tile.hashes for tile in edge.partial})


async def _bundles(partition: int, size: int, tables: EvidenceTables) -> AsyncIterator[Sequence[bytes]]:
    at = 0
    while at < size:
        count = min(BUNDLES_AT_ONCE * WIDTH, size - at)
        rows = await tables.following(partition, at, count)
        for first in range(0, len(rows), WIDTH):
            yield [entry_of(row) for row in rows[first : first + WIDTH]]
        if len(rows) < count:
            return
        at += count
