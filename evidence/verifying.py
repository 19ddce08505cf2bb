"""Verifies a partition: its checkpoint is signed, its tiles lead to the root, and its events are those that were sealed."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from evidence.checkpoints import Checkpoint, claimed_checkpoint, verified_checkpoint
from evidence.comparing import Compared
from evidence.findings import RESTORE_TILE, Finding, Kind
from evidence.merkle import HASH_BYTES, ProofRefused, require_consistency
from evidence.notes import MalformedNote, NotSigned, VerifierKey
from evidence.published import PublishedTiles
from evidence.tables import Sealed
from evidence.tiles import HashTile, MalformedTile, TreeEdge, hashes_in
from evidence.tree import PublishedTree


class Seal(Struct, frozen=True, kw_only=True):
    """What of a partition is sealed, as far as a signature says so; `checkpoint` is None where nothing is."""

    partition: int
    checkpoint: Checkpoint | None
    findings: Sequence[Finding] = ()


async def seal_of(
    partition: int,
    origin: str,
    latest: Sealed | None,
    *,
    published: str | None,
    tiles: PublishedTiles,
    keys: Sequence[VerifierKey],
) -> Seal:
    """What the table says, once its signature is found good, and held against the note that was `published`."""
    try:
        checkpoint = verified_checkpoint(latest.note, keys) if latest else None
    except (NotSigned, MalformedNote) as problem:
        return _unsealed(
            partition, f"{problem}; give the key that you trust with --key, and ask who signed it"
        )
    if (
        latest
        and checkpoint
        and (checkpoint.size, checkpoint.root, checkpoint.origin) != (latest.size, latest.root, origin)
    ):
        return _unsealed(
            partition,
            f"the signed checkpoint is one of {checkpoint.origin} at {checkpoint.size}, another than its row says",
        )
    found = await _published_findings(partition, origin, published, checkpoint, tiles=tiles, keys=keys)
    return Seal(partition=partition, checkpoint=checkpoint, findings=found)


async def _published_findings(
    partition: int,
    origin: str,
    note: str | None,
    now: Checkpoint | None,
    *,
    tiles: PublishedTiles,
    keys: Sequence[VerifierKey],
) -> Sequence[Finding]:
    """Whoever takes the object store's word for it must not be shown another log, or a text that nobody signed."""
    size = now.size if now else 0
    try:
        shown = claimed_checkpoint(note) if note else None
        if shown is None:
            return []
        if shown.size > size and shown.origin == origin:
            return [_gone_back(partition, shown.size, size)]
        if shown.origin != origin:
            why = f"it is one of {shown.origin}"
        elif shown == now:
            verified_checkpoint(note or "", keys)
            return []
        elif now is None or await _is_beginning(shown, now, tiles):
            return []
        else:
            why = f"its {shown.size} events are not the first of those that are sealed"
    except (MalformedNote, NotSigned) as problem:
        why = str(problem)
    what = f"the object checkpoint is not one of this log: {why}; ask who can write there, and put it right with `stenolog seal --republish`"
    return [Finding(partition=partition, kind="checkpoint", what=what)]


async def _is_beginning(shown: Checkpoint, now: Checkpoint, tiles: PublishedTiles) -> bool:
    """A damaged tile, which is told of by itself, says nothing about it."""
    if shown.size == 0:
        return True
    try:
        proof = await PublishedTree(tiles, now.size).consistency(shown.size)
        require_consistency(shown.root, shown.size, now.root, now.size, proof)
    except ProofRefused:
        return False
    except MalformedTile:
        return shown.size < now.size
    return True


def _unsealed(partition: int, what: str) -> Seal:
    finding = Finding(partition=partition, kind="checkpoint", what=what)
    return Seal(partition=partition, checkpoint=None, findings=[finding])


def _gone_back(partition: int, published: int, size: int) -> Finding:
    what = f"{published} events were sealed and published, and the database knows of {size}; was it restored from a backup, or were checkpoints removed?"
    return Finding(partition=partition, kind="checkpoint", what=what)


class Assembly:
    """The tree that the events make, put together from its stretches as they come, with flat memory."""

    def __init__(self, partition: int, checkpoint: Checkpoint, tiles: PublishedTiles) -> None:
        self.partition = partition
        self._checkpoint = checkpoint
        self._tiles = tiles
        self._edge = TreeEdge()
        self.findings: list[Finding] = []

    async def add(self, compared: Compared) -> None:
        if self.found_an_event:
            return
        self.findings += compared.findings
        for root in _each(compared.roots):
            await self._compare(self._edge.append_tile(root))
        for leaf in _each(compared.leaves):
            self._edge.append(leaf)

    @property
    def found_an_event(self) -> bool:
        """What comes behind it is not looked at: it is the first that counts."""
        return any(each.is_of_an_event for each in self.findings)

    async def end(self) -> Sequence[Finding]:
        """All that was found, once every stretch was added."""
        if not self.found_an_event:
            await self._compare(tile for tile in self._edge.partial if tile.place.level)
            self._compare_root()
        return self.findings

    async def _compare(self, tiles: Iterable[HashTile]) -> None:
        """The tiles above the leaves, which the stretches have compared."""
        for tile in tiles:
            try:
                if await self._tiles.hashes(tile.place) == tile.hashes:
                    continue
                what = f"{tile.place.path} is not the tile that the events make"
            except MalformedTile as problem:
                what = str(problem)
            self._tell("tile", f"{what}; {RESTORE_TILE}", tile.place.first + 1)

    def _compare_root(self) -> None:
        if (self._edge.size, self._edge.root) != (self._checkpoint.size, self._checkpoint.root):
            self._tell(
                "rewritten",
                f"the {self._checkpoint.size} events that were sealed have another root than was signed: events and tiles were both "
                "rewritten; compare them with a backup, and with the tiles that somebody else kept",
                None,
            )

    def _tell(self, kind: Kind, what: str, seq: int | None) -> None:
        self.findings.append(Finding(partition=self.partition, kind=kind, what=what, seq=seq))


async def prefix_findings(
    partition: int, kept: Checkpoint, now: Checkpoint | None, tiles: PublishedTiles
) -> Sequence[Finding]:
    """Whether a checkpoint that somebody kept is the beginning of today's log: shown by a proof, or not so."""
    size = now.size if now else 0
    if kept.size > size:
        what = f"the checkpoint that was kept is of {kept.size} events, and only {size} are sealed today: what was sealed is gone"
        return [Finding(partition=partition, kind="rewritten", what=what, seq=size + 1)]
    if now is None or kept.size == 0:
        return []
    try:
        proof = await PublishedTree(tiles, size).consistency(kept.size)
        require_consistency(kept.root, kept.size, now.root, size, proof)
    except (MalformedTile, ProofRefused) as problem:
        what = f"the first {kept.size} events are not those of the checkpoint that was kept ({problem}): the log was rewritten and sealed again"
        return [
            Finding(
                partition=partition, kind="rewritten", what=f"{what}; ask for the log that was sealed then"
            )
        ]
    return []


def _each(hashes: bytes) -> Iterable[bytes]:
    assert len(hashes) % HASH_BYTES == 0
    return hashes_in(hashes)
