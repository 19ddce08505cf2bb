"""What is published beside the tiles is held against the log, and what the sealer removes meanwhile is no damage."""

import pytest

from evidence.checkpoints import Checkpoint
from evidence.notes import signed
from evidence.tiles import bundle, edge_of
from tests.evidence.logs import OTHER_KEY, SealedLog
from tests.evidence.test_tampering import SIZE, findings


async def sealed(log: SealedLog) -> None:
    await log.append(300)
    await log.append(40, partition=1)
    await log.seal(0, 1)
    await log.append(SIZE - 300)
    await log.seal()


@pytest.mark.parametrize("how", ["no note", "another root", "unsigned", "another partition's", "older"])
async def test_a_published_checkpoint_that_is_not_of_this_log_is_told_of(log: SealedLog, how: str) -> None:
    await sealed(log)
    good = await log.checkpoint()
    notes = {
        "no note": "hello\n",
        "another root": signed(Checkpoint(good.origin, good.size, b"x" * 32).text, log.signing_key()),
        "unsigned": signed(good.text, log.signing_key(key=OTHER_KEY)),
        "another partition's": signed((await log.checkpoint(1)).text, log.signing_key(1)),
        "older": signed(Checkpoint(good.origin, 300, b"x" * 32).text, log.signing_key()),
    }
    await log.objects.put("evidence/0/checkpoint", notes[how].encode())
    [finding] = await findings(log)
    assert (finding.partition, finding.kind) == (0, "checkpoint")
    assert "the object checkpoint is not one of this log" in finding.what


async def test_verifying_goes_on_by_the_full_tile_where_the_log_grows_meanwhile(log: SealedLog) -> None:
    await sealed(log)
    before = {seal: await log.tiles.hashes(seal) for seal in edge_of(SIZE)}
    [leaves] = [place for place in before if place.level == 0]
    entries = bundle(leaves.index, leaves.width)
    packed = await log.tiles.bundle(entries)
    await log.append(300)
    await log.sealer(tell=log.tell).seal()
    await log.append(1)
    await log.sealer(tell=log.tell).seal()
    assert leaves.path not in log.files()
    assert await log.tiles.hashes(leaves) == before[leaves]
    assert await log.tiles.bundle(entries) == packed
    assert not await findings(log)
