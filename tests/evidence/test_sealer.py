"""What is appended is sealed: whatever is killed when, what can be seen is true and whole."""

import asyncio
import shutil
from collections.abc import Iterable
from itertools import pairwise

import pytest

from domain.ports import ObjectStoreUnavailable
from evidence.checkpoints import claimed_checkpoint
from evidence.merkle import consistency_ranges, require_consistency
from evidence.republishing import republish
from evidence.sealer import LogDiffers, LogInTheClear, TilesDiffer
from evidence.tables import Sealed
from evidence.tiles import Place, bundle
from tests.evidence.crashes import Killed, Mortal, Steps, mortal_tell
from tests.evidence.logs import OTHER_KEY, PARTITION, SealedLog, paths
from tests.evidence.trees import Tree


async def test_what_was_appended_is_in_tiles_under_a_signed_checkpoint(log: SealedLog) -> None:
    await log.append(300)
    assert await log.sealer().seal() == 300
    await log.require_published()
    assert (await log.checkpoint()).origin == f"stenolog/{log.installation_id}/0"


async def test_the_tree_grows_and_each_checkpoint_is_a_prefix_of_the_next(log: SealedLog) -> None:
    sealer = log.sealer()
    for count in (1, 254, 1, 1, 255, 600, 3):
        await log.append(count)
        assert await sealer.seal() == count
        await log.require_published()
    await require_chain(log, log.told)


async def test_a_new_sealer_goes_on_where_the_last_one_was(log: SealedLog) -> None:
    for count in (1, 255, 100, 200):
        await log.append(count)
        await log.seal()
        await log.require_published()
    await require_chain(log, log.told)


async def test_where_nothing_was_appended_nothing_is_sealed(log: SealedLog) -> None:
    sealer = log.sealer()
    assert await sealer.seal() == 0
    await log.append(5)
    await sealer.seal()
    files = log.files()
    assert await sealer.seal() == 0
    assert (log.files(), len(log.told)) == (files, 1)


async def test_partial_tiles_go_once_they_are_full_and_the_newest_stay(log: SealedLog) -> None:
    sealer = log.sealer()
    for count in (10, 20, 300):
        await log.append(count)
        await sealer.seal()
    places = [Place(0, 0), Place(0, 1, 74), Place(1, 0, 1), bundle(0), bundle(1, 74)]
    assert log.files() == paths(places) | {"checkpoint"}
    sizes = await log.pool.fetch("select size from evidence_checkpoints")
    assert [row["size"] for row in sizes] == [330]


async def test_each_checkpoint_is_told_of(log: SealedLog) -> None:
    sealer = log.sealer()
    for count in (3, 4):
        await log.append(count)
        await sealer.seal()
    assert [sealed.size for sealed in log.told] == [3, 7]
    assert (await log.tables.latest(PARTITION)) == log.told[-1]
    assert await log.tiles.checkpoint() == log.told[-1].note


async def test_what_could_not_be_told_is_told_by_the_next_sealer(log: SealedLog) -> None:
    async def silent(_partition: int) -> None:
        """Kafka is away."""

    await log.append(3)
    await log.sealer(tell=silent).seal()
    await log.append(4)
    await log.sealer().seal()
    assert [sealed.size for sealed in log.told] == [3, 7]


@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it is done"])
async def test_a_sealer_that_dies_at_any_step_leaves_nothing_wrong_and_its_successor_goes_on(
    log: SealedLog, done: bool
) -> None:
    deadly, survived = 0, False
    while not survived:
        deadly += 1
        await log.append(150)
        survived = await _dies_at(log, deadly, done)
        if await log.tables.latest(PARTITION):
            await log.require_published()
        await log.append(1)
        await log.seal()
        await log.require_published()
        assert deadly < 60, "there is no end of steps"
    assert deadly > 8
    await require_chain(log, log.told)


async def _dies_at(log: SealedLog, deadly: int, done: bool) -> bool:
    """Whether it came to its end before that step."""
    steps = Steps(deadly, done=done)
    sealer = log.sealer(
        objects=Mortal(log.objects, steps, "put", "delete"),
        tables=Mortal(log.tables, steps, "record", "told", "forget"),  # type: ignore[arg-type]  # it behaves like them, until it dies
        tell=mortal_tell(log.tell, steps),
    )
    try:
        await sealer.seal()
    except Killed:
        return False
    return True


async def test_two_that_seal_one_partition_at_once_make_one_chain(log: SealedLog) -> None:
    sealers = [log.sealer(), log.sealer()]
    for count in (10, 300, 1, 700, 20):
        await log.append(count)
        await asyncio.gather(*(sealer.seal() for sealer in sealers))
        await log.require_published()
    await log.seal()
    await log.require_published()
    await require_chain(log, {sealed.size: sealed for sealed in log.told}.values())


async def test_a_sealer_that_thaws_adds_nothing_and_goes_on_after_the_other(log: SealedLog) -> None:
    await log.append(10)
    frozen = log.sealer()
    await frozen.seal()
    await log.append(10)
    latest = await log.tables.latest(PARTITION)
    await log.seal()
    note = "what a sealer that was frozen just before would write"
    assert not await log.tables.record(PARTITION, latest, 15, b"\0" * 32, note)
    assert not await log.tables.record(PARTITION, None, 15, b"\0" * 32, note)
    await log.append(10)
    assert await frozen.seal() == 10
    await log.require_published()


async def test_a_checkpoint_follows_no_other_root(log: SealedLog) -> None:
    await log.append(10)
    await log.seal()
    latest = await log.tables.latest(PARTITION)
    assert latest is not None
    strange = Sealed(latest.size, b"\1" * 32, latest.note, latest.sealed_at)
    assert not await log.tables.record(PARTITION, strange, 15, b"\0" * 32, "note")


async def test_partitions_are_sealed_apart(log: SealedLog) -> None:
    await log.append(3)
    await log.append(5, partition=1)
    await log.seal(0, 1)
    await log.require_published(0)
    await log.require_published(1)
    assert (await log.checkpoint(1)).origin.endswith("/1")


async def test_an_outage_of_the_object_store_leaves_no_checkpoint_without_its_tiles(log: SealedLog) -> None:
    class Away:
        def __getattr__(self, name: str) -> object:
            return getattr(log.objects, name)

        async def put(self, key: str, content: bytes) -> None:
            if "/1/" in key:
                raise ObjectStoreUnavailable("away")
            await log.objects.put(key, content)

    await log.append(300)
    sealer = log.sealer(objects=Away())  # type: ignore[arg-type]  # it behaves like one, until it is away
    with pytest.raises(ObjectStoreUnavailable):
        await sealer.seal()
    assert await log.tables.latest(PARTITION) is None
    await log.seal()
    await log.require_published()


async def test_a_log_that_lost_what_was_sealed_is_not_sealed_on(log: SealedLog) -> None:
    await log.append(10)
    sealer = log.sealer()
    await sealer.seal()
    await log.tamper("delete from events where seq > 8")
    for each in (sealer, log.sealer()):
        with pytest.raises(LogDiffers, match="10 events were sealed, and the log has fewer"):
            await each.seal()


async def test_another_event_under_the_last_sealed_number_stops_sealing(log: SealedLog) -> None:
    await log.append(10)
    sealer = log.sealer()
    await sealer.seal()
    await log.tamper("update events set actor = 'somebody' where seq = 10")
    await log.append(1)
    for each in (sealer, log.sealer()):
        with pytest.raises(LogDiffers, match="event 10 is not the one that was sealed"):
            await each.seal()


async def test_nothing_is_sealed_across_a_gap(log: SealedLog) -> None:
    await log.append(10)
    await log.tamper("delete from events where seq = 4")
    with pytest.raises(LogDiffers, match="after event 3 comes 5"):
        await log.sealer().seal()


async def test_a_database_that_went_back_before_what_was_published_is_not_sealed_on(log: SealedLog) -> None:
    await log.append(10)
    await log.seal()
    await log.tamper("delete from evidence_checkpoints")
    await log.tamper("delete from events where seq > 5")
    with pytest.raises(
        LogDiffers, match="10 events were sealed and published, and the database knows of 0"
    ):
        await log.sealer().seal()


@pytest.mark.parametrize("content", [None, b"", b"\0" * 31, b"\0" * 32 * 44])
@pytest.mark.parametrize(
    "place", [Place(0, 1, 44), bundle(1, 44), Place(1, 0, 1)], ids=lambda each: each.path
)
async def test_tiles_that_are_missing_cut_off_or_of_another_log_are_not_built_upon(
    log: SealedLog, place: Place, content: bytes | None
) -> None:
    await log.append(300)
    await log.seal()
    key = f"evidence/0/{place.path}"
    await (log.objects.delete(key) if content is None else log.objects.put(key, content))
    await log.append(1)
    with pytest.raises(TilesDiffer, match="Is this the object store that belongs to the database"):
        await log.sealer().seal()
    assert (await log.checkpoint()).size == 300


async def test_a_checkpoint_object_that_is_none_stops_sealing(log: SealedLog) -> None:
    await log.append(3)
    await log.seal()
    await log.objects.put("evidence/0/checkpoint", b"hello")
    with pytest.raises(TilesDiffer, match="its checkpoint object is none"):
        await log.sealer().seal()


async def test_after_a_rotation_the_new_key_signs_and_the_old_checkpoints_verify_on(log: SealedLog) -> None:
    await log.append(3)
    await log.seal()
    old = await log.checkpoint()
    await log.append(3)
    await log.sealer(key=OTHER_KEY).seal()
    latest = await log.tables.latest(PARTITION)
    assert latest is not None
    assert log.signing_key(key=OTHER_KEY).verifier.key_id != log.verifier.key_id
    assert (claimed_checkpoint(latest.note).size, old.size) == (6, 3)


async def require_chain(log: SealedLog, checkpoints: Iterable[Sealed]) -> None:
    """Each that anybody was told of is the beginning of the next, and of the log."""
    told = list(checkpoints)
    assert told
    assert [sealed.size for sealed in told] == sorted({sealed.size for sealed in told})
    tree = Tree(await log.entries())
    for sealed in told:
        assert sealed.root == tree.root_of((0, sealed.size))
    for old, new in pairwise(told):
        part = Tree((await log.entries())[: new.size])
        proof = [part.root_of(leaves) for leaves in consistency_ranges(old.size, new.size)]
        require_consistency(old.root, old.size, new.root, new.size, proof)


async def test_lost_tiles_are_made_anew_from_a_log_that_is_what_was_sealed(log: SealedLog) -> None:
    await log.append(3_300)
    await log.seal()
    before = {path: (log.folder / "evidence" / "0" / path).read_bytes() for path in log.files()}
    shutil.rmtree(log.folder / "evidence")
    with pytest.raises(TilesDiffer, match="--republish"):
        await log.sealer().seal()
    assert await republish(PARTITION, log.tables, log.tiles) == 3_300
    assert {path: (log.folder / "evidence" / "0" / path).read_bytes() for path in log.files()} == before
    await log.append(5)
    assert await log.sealer().seal() == 5
    assert await republish(1, log.tables, log.tiles) == 0


@pytest.mark.parametrize(
    "change", ["update events set actor = 'x' where seq = 2", "delete from events where seq > 290"]
)
async def test_no_tiles_are_made_of_a_log_that_was_changed(log: SealedLog, change: str) -> None:
    await log.append(300)
    await log.seal()
    await log.tamper(change)
    shutil.rmtree(log.folder / "evidence")
    with pytest.raises(LogDiffers, match="not those that were sealed"):
        await republish(PARTITION, log.tables, log.tiles)
    assert log.files() == set()


async def test_no_event_in_the_clear_gets_into_evidence(log: SealedLog) -> None:
    """It stays possible to seal it. What cannot be read nobody can seal, and it keeps no other from being evidence."""
    await log.append(5)
    await log.tamper("update events set type = 'FileUploaded' where partition = $1 and seq = 3", PARTITION)
    for _ in range(2):
        with pytest.raises(LogInTheClear, match=f"event {PARTITION}:3 names somebody in the clear"):
            await log.sealer().seal()
    assert log.told == []
    await log.pool.execute("insert into clear_events (partition, unreadable) values ($1, '{3}')", PARTITION)
    assert await log.sealer().seal() == 5
    await log.require_published()
