"""Sealing with a mechanism broken on purpose: the same check that holds for the real thing notices."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from evidence.merkle import EMPTY_ROOT
from evidence.sealer import Sealer
from evidence.tables import EvidenceTables, Sealed
from evidence.tiles import MalformedTile
from tests.evidence.crashes import Killed, Mortal, Steps
from tests.evidence.logs import PARTITION, SealedLog, sealed_log
from tests.stack.servers import Database

Open = Callable[..., Sealer]


class UnguardedTables(EvidenceTables):
    """Adds a checkpoint whatever the latest is."""

    async def record(
        self, partition: int, before: Sealed | None, size: int, root: bytes, note: str
    ) -> bool:
        await self._pool.execute(
            """insert into evidence_checkpoints (partition, previous_size, size, root, note, sealed_at)
            values ($1, $2, $3, $4, $5, clock_timestamp())""",
            partition, before.size if before else 0, size, root, note,
        )  # fmt: skip
        return True


class RowFirst(Sealer):
    """Writes the row of a checkpoint before the tiles at its edge."""

    async def seal(self) -> int:
        edge = await self._current()
        before = edge.size
        await self._grow(edge)
        await self._record(edge)
        await self._put_edge(edge)
        return edge.size - before


@pytest.fixture
async def log(postgres: Database, tmp_path: Path) -> AsyncIterator[SealedLog]:
    async with sealed_log(postgres, tmp_path / "objects") as log:
        yield log


async def sizes_after_a_stale_sealer(log: SealedLog, tables: EvidenceTables) -> list[int]:
    """In the order in which checkpoints were made: one sealer was frozen just before it wrote its row, and thaws."""
    await log.append(5)
    await log.seal()
    seen_by_the_frozen = await log.tables.latest(PARTITION)
    await log.append(5)
    await log.seal()
    await tables.record(PARTITION, seen_by_the_frozen and None, 7, EMPTY_ROOT, "a note for seven events")
    rows = await log.pool.fetch("select size from evidence_checkpoints order by sealed_at")
    return [row["size"] for row in rows]


async def test_with_the_chain_of_checkpoints_no_size_goes_back(log: SealedLog) -> None:
    sizes = await sizes_after_a_stale_sealer(log, log.tables)
    assert sizes == sorted(sizes)


async def test_without_naming_the_checkpoint_before_it_a_size_goes_back(log: SealedLog) -> None:
    await log.pool.execute(
        "alter table evidence_checkpoints drop constraint evidence_checkpoints_partition_previous_size_key"
    )
    sizes = await sizes_after_a_stale_sealer(log, UnguardedTables(log.pool))
    assert sizes != sorted(sizes)


async def killed_anywhere(log: SealedLog, sealer: type[Sealer]) -> None:
    """A sealer dies at each of its steps in turn. Raises MalformedTile for a checkpoint without its tiles."""
    for deadly in range(1, 9):
        await log.append(40)
        steps = Steps(deadly, done=True)
        doomed = sealer(
            PARTITION,
            log.signing_key(),
            Mortal(log.tables, steps, "record"),  # type: ignore[arg-type]  # it behaves like them, until it dies
            Mortal(log.tiles, steps, "put", "put_checkpoint"),  # type: ignore[arg-type]  # as above
            log.tell,
        )
        try:
            await doomed.seal()
        except Killed:
            if await log.tables.latest(PARTITION):
                await log.require_published()


async def test_tiles_before_the_row_leave_no_checkpoint_without_them(log: SealedLog) -> None:
    await killed_anywhere(log, Sealer)


async def test_a_row_before_the_tiles_leaves_a_checkpoint_without_them(log: SealedLog) -> None:
    with pytest.raises(MalformedTile):
        await killed_anywhere(log, RowFirst)
