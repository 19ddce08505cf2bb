"""Seals one partition: what was appended becomes tiles, and the tiles a checkpoint that is signed."""

from collections.abc import Awaitable, Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from evidence.checkpoints import Checkpoint, claimed_checkpoint
from evidence.entries import COLUMNS, entry_of
from evidence.merkle import leaf_hash
from evidence.notes import MalformedNote, SigningKey, signed
from evidence.published import PublishedTiles
from evidence.tables import EvidenceTables, Sealed
from evidence.tiles import WIDTH, MalformedTile, Place, TreeEdge, bundle, edge_of, encode_bundle, hashes_in
from infrastructure.mendable import Mendable
from schemas.events import IN_THE_CLEAR

BATCH: Final = 2_048
"""Events read at once."""
BATCHES_MAX: Final = 32
EVENTS_MAX: Final = BATCH * BATCHES_MAX
"""Between two checkpoints: a log that is sealed for the first time gets one every few seconds."""
_SEQ: Final = COLUMNS.index("seq")
_KIND: Final = itemgetter(COLUMNS.index("type"), COLUMNS.index("schema_version"))

Tell = Callable[[int], Awaitable[None]]
"""Tells others of the checkpoints of a partition that they have not been told of."""


class Refused(Mendable):
    """Log, checkpoints and tiles contradict each other; sealing on would hide it, so somebody has to decide."""


class LogDiffers(Refused):
    def __init__(self, partition: int, what: str) -> None:
        super().__init__(
            f"partition {partition}: {what}. Was the database restored from a backup, did it lose events in a failover, or did "
            "somebody change the log? `stenolog events verify` tells what differs; nothing more of this partition is sealed "
            "until the log is again what was sealed"
        )


class LogInTheClear(Refused):
    def __init__(self, partition: int, seq: int) -> None:
        super().__init__(
            f"event {partition}:{seq} names somebody in the clear, and evidence would keep it so: run `stenolog migrate`, which "
            "seals it, and end processes of a version before"
        )


class TilesDiffer(Refused):
    def __init__(self, partition: int, problem: object) -> None:
        super().__init__(
            f"partition {partition}: the tiles are not those of the last checkpoint: {problem}. Is this the object store that "
            "belongs to the database? If so, `stenolog seal --republish` makes them anew from the log"
        )


class Sealer:
    """Keeps the edge of the tree between two checkpoints; after any failure it is read from the tiles again.

    Tiles come first, then the row that makes a checkpoint one, then the object and the message. Whatever is killed when, a
    checkpoint that can be seen has its tiles, and the next sealer goes on after the last row.
    """

    def __init__(
        self, partition: int, key: SigningKey, tables: EvidenceTables, tiles: PublishedTiles, tell: Tell
    ) -> None:
        self._partition = partition
        self._key = key
        self._tables = tables
        self._tiles = tiles
        self._tell = tell
        self._sealed: Sealed | None = None
        self._edge: TreeEdge | None = None
        self._open: list[bytes] = []
        """Entries that are in no full bundle yet."""
        self._last_leaf: bytes | None = None
        self._full: list[Place] = []

    async def seal(self) -> int:
        """How many events are sealed that were not. Raises Refused."""
        edge = await self._current()
        before = edge.size
        await self._grow(edge)
        if edge.size == before:
            return 0
        await self._put_edge(edge)
        if await self._record(edge):
            await self._announce()
            await self._tidy(edge.size)
        return edge.size - before

    async def _current(self) -> TreeEdge:
        """That of the latest checkpoint, which another sealer may have written."""
        latest = await self._tables.latest(self._partition)
        known = self._edge is not None and (self._sealed, self._edge.size) == (latest, _size(latest))
        if self._edge is None or not known:
            await self._resume(latest)
        assert self._edge is not None
        return self._edge

    async def _resume(self, latest: Sealed | None) -> None:
        self._edge, self._sealed, self._full = None, latest, []
        size = _size(latest)
        await self._require_not_behind(size)
        try:
            edge = await self._tiles.edge(size)
            self._open = await self._tiles.open_entries(size)
            await self._require_leaves(size)
        except MalformedTile as problem:
            raise TilesDiffer(self._partition, problem) from problem
        if latest and edge.root != latest.root:
            raise TilesDiffer(self._partition, f"they have another root at {size}")
        self._edge = edge
        if latest:
            await self._announce()

    async def _require_not_behind(self, size: int) -> None:
        """The object is written after the row, so where it is ahead the database has gone back."""
        note = await self._tiles.checkpoint()
        try:
            published = claimed_checkpoint(note).size if note else 0
        except MalformedNote as problem:
            raise TilesDiffer(self._partition, f"its checkpoint object is none: {problem}") from problem
        if published > size:
            told = f"{published} events were sealed and published, and the database knows of {size}"
            raise LogDiffers(self._partition, told)

    async def _require_leaves(self, size: int) -> None:
        """Entries and hashes of the last tile belong together. Raises MalformedTile."""
        if not size:
            return
        width = size % WIDTH
        leaves = hashes_in(await self._tiles.hashes(Place(0, (size - 1) // WIDTH, width or WIDTH)))
        self._last_leaf = leaves[-1]
        if width and [leaf_hash(entry) for entry in self._open] != leaves:
            raise MalformedTile(f"{bundle(size // WIDTH, width).path} has other entries than were hashed")

    async def _grow(self, edge: TreeEdge) -> None:
        for _ in range(BATCHES_MAX):
            overlap = min(edge.size, 1)
            rows = await self._tables.following(self._partition, edge.size - overlap, BATCH + overlap)
            self._require_same_log(edge.size, rows[:overlap])
            await self._add(edge, rows[overlap:])
            if len(rows) < BATCH + overlap:
                return

    def _require_same_log(self, size: int, last: Sequence[Any]) -> None:
        """The last event that was sealed is read each time: a failover may have put another in its place."""
        if not size:
            return
        if not last:
            raise LogDiffers(self._partition, f"{size} events were sealed, and the log has fewer")
        if last[0][_SEQ] != size or leaf_hash(entry_of(last[0])) != self._last_leaf:
            raise LogDiffers(
                self._partition, f"event {size} is not the one that was sealed under this number"
            )

    async def _add(self, edge: TreeEdge, rows: Sequence[Any]) -> None:
        full: dict[Place, bytes] = {}
        for row in rows:
            if row[_SEQ] != edge.size + 1:
                raise LogDiffers(self._partition, f"after event {edge.size} comes {row[_SEQ]}")
            if _KIND(row) in IN_THE_CLEAR:
                await self._require_unreadable(row[_SEQ])
            self._open.append(entry_of(row))
            self._last_leaf = leaf_hash(self._open[-1])
            full |= {tile.place: tile.hashes for tile in edge.append(self._last_leaf)}
            if len(self._open) == WIDTH:
                full[bundle(edge.size // WIDTH - 1)] = encode_bundle(self._open)
                self._open = []
        await self._tiles.put(full)
        self._full += full

    async def _require_unreadable(self, seq: int) -> None:
        """Only what cannot be read may be in the clear: nobody can seal it."""
        if seq not in (await self._tables.kept_in_the_clear(self._partition)).unreadable:
            raise LogInTheClear(self._partition, seq)

    async def _put_edge(self, edge: TreeEdge) -> None:
        tiles = {tile.place: tile.hashes for tile in edge.partial}
        if self._open:
            tiles[bundle(edge.size // WIDTH, len(self._open))] = encode_bundle(self._open)
        await self._tiles.put(tiles)

    async def _record(self, edge: TreeEdge) -> bool:
        """False where another sealer was faster: this one begins with what that has sealed."""
        note = signed(Checkpoint(self._key.name, edge.size, edge.root).text, self._key)
        if await self._tables.record(self._partition, self._sealed, edge.size, edge.root, note):
            self._sealed = await self._tables.latest(self._partition)
            return True
        self._edge = None
        return False

    async def _announce(self) -> None:
        assert self._sealed is not None
        await self._tiles.put_checkpoint(self._sealed.note)
        await self._tell(self._partition)

    async def _tidy(self, size: int) -> None:
        """Removes partial tiles that are full now, as tlog-tiles allows, and the checkpoints that needed them."""
        full = size - size % WIDTH
        above = [place for place in self._full if place.level]
        self._full = []
        await self._tiles.delete(
            Place(place.level, place.index, width) for place in above for width in range(1, WIDTH)
        )
        if sizes := await self._tables.superseded(self._partition, full):
            await self._tiles.delete(place for each in sizes for place in _partial_leaves(each))
            await self._tables.forget(self._partition, sizes)


def _size(sealed: Sealed | None) -> int:
    return sealed.size if sealed else 0


def _partial_leaves(size: int) -> Sequence[Place]:
    """The partial tile of hashes of leaves, and that of their entries, in a tree of `size`."""
    leaves = [place for place in edge_of(size) if place.level == 0]
    return [*leaves, *(bundle(place.index, place.width) for place in leaves)]
