"""Tools that others wrote come to the same verdict as ours: the good log is good, and each bad one is not."""

import struct
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pymerkle import ConsistencyProof, InclusionProof, InmemoryTree

from evidence.checkpoints import claimed_checkpoint
from evidence.notes import signed
from evidence.tiles import edge_of
from tests.evidence.independent import built_fsck, fsck_says, http_served
from tests.evidence.logs import OTHER_KEY, SealedLog, sealed_log
from tests.evidence.serving import AUDITOR
from tests.stack.servers import Database

SIZE = 600
TILES = ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/88"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fsck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_fsck(tmp_path_factory.mktemp("go"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log(postgres: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SealedLog]:
    async with sealed_log(postgres, tmp_path_factory.mktemp("independent") / "objects") as log:
        await log.append(300)
        await log.seal()
        await log.append(SIZE - 300)
        await log.seal()
        yield log


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(log: SealedLog, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with http_served(log, tmp_path_factory.mktemp("served")) as url:
        yield url


async def test_tesseras_fsck_finds_the_log_good(
    fsck: Path, log: SealedLog, url: str, tmp_path: Path
) -> None:
    assert await fsck_says(fsck, url, str(log.verifier), tmp_path) == ""


def _missing(_: bytes) -> bytes | None:
    return None


def _changed(content: bytes) -> bytes | None:
    return content[:40] + bytes([content[40] ^ 1]) + content[41:]


def _cut_off(content: bytes) -> bytes | None:
    return content[:-1]


@pytest.mark.parametrize("damage", [_missing, _changed, _cut_off], ids=lambda each: each.__name__)
async def test_tesseras_fsck_refuses_a_log_with_a_damaged_tile(
    fsck: Path, log: SealedLog, url: str, tmp_path: Path, damage: Callable[[bytes], bytes | None]
) -> None:
    for path in TILES:
        file = log.folder / "evidence" / "0" / path
        content = file.read_bytes()
        damaged = damage(content)
        file.unlink()
        if damaged is not None:
            file.write_bytes(damaged)
        try:
            assert await fsck_says(fsck, url, str(log.verifier), tmp_path) != "", path
        finally:
            file.write_bytes(content)


async def test_tesseras_fsck_refuses_a_checkpoint_that_another_key_signed(
    fsck: Path, log: SealedLog, url: str, tmp_path: Path
) -> None:
    latest = await log.tables.latest(0)
    assert latest is not None
    forged = signed(claimed_checkpoint(latest.note).text, log.signing_key(key=OTHER_KEY))
    await log.tamper("update evidence_checkpoints set note = $1 where size = $2", forged, latest.size)
    try:
        assert "failed to fetch and verify checkpoint" in await fsck_says(
            fsck, url, str(log.verifier), tmp_path
        )
    finally:
        await log.tamper(
            "update evidence_checkpoints set note = $1 where size = $2", latest.note, latest.size
        )


async def test_pymerkle_makes_the_signed_root_of_the_served_entries_and_proves_in_it(
    log: SealedLog, url: str
) -> None:
    tree = InmemoryTree()
    async with httpx.AsyncClient(headers=AUDITOR) as client:
        for path in ("000", "001", "002.p/88"):
            content = (await client.get(f"{url}/tile/entries/{path}")).content
            while content:
                (length,) = struct.unpack(">H", content[:2])
                tree.append_entry(content[2 : 2 + length])
                content = content[2 + length :]
        note = (await client.get(f"{url}/checkpoint")).text
    checkpoint = claimed_checkpoint(note)
    assert (tree.get_size(), tree.get_root()) == (checkpoint.size, checkpoint.root)
    first = log.told[0]
    consistency, inclusion = tree.prove_consistency(first.size), tree.prove_inclusion(17)
    assert isinstance(consistency, ConsistencyProof)
    assert isinstance(inclusion, InclusionProof)
    consistency.verify(first.root, checkpoint.root, prior_size=first.size, later_size=checkpoint.size)
    inclusion.verify(tree.get_leaf(17), checkpoint.root, index=17, size=checkpoint.size)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="aics-tlog is not run: it needs Python 3.12")
async def test_aics_tlog_finds_the_tiles_good_and_refuses_a_damaged_one(log: SealedLog) -> None:
    from aics_tlog import FileSystemTileReader, audit_tiles, parse_note, parse_vkey, verify_checkpoint  # noqa: PLC0415

    latest = await log.tables.latest(0)
    assert latest is not None
    assert verify_checkpoint(parse_note(latest.note), parse_vkey(str(log.verifier))).log_ok
    reader = FileSystemTileReader(log.folder / "evidence" / "0")
    report = audit_tiles(reader, latest.size, latest.root)
    assert (report.size, report.tiles, report.bundles) == (SIZE, 3 + len(edge_of(SIZE)[1:]), 3)
    file = log.folder / "evidence" / "0" / "tile/entries/000"
    content = file.read_bytes()
    file.write_bytes(_changed(content) or b"")
    try:
        with pytest.raises(Exception, match="tile/entries/000"):
            audit_tiles(reader, latest.size, latest.root)
    finally:
        file.write_bytes(content)
