"""Whatever is done to events, tiles or checkpoints behind our back is found, and the first event that differs is named."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import pytest_asyncio

from cli.verifying import Kept, Places, UnusableCheckpoint, verify
from evidence.checkpoints import Checkpoint
from evidence.findings import Finding
from evidence.keys import SealKey
from evidence.notes import VerifierKey, signed
from infrastructure.postgres.errors import TableDetached
from tests.evidence.logs import KEY, OTHER_KEY, PARTITION, SealedLog, sealed_log
from tests.stack.servers import Database

SIZE = 700
TABLES = ("events", "evidence_checkpoints", "evidence_keys")

Tamper = Callable[[SealedLog], Awaitable[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sealed(postgres: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SealedLog]:
    """A log of two partitions, and a copy of all there is of it."""
    folder = tmp_path_factory.mktemp("tampering")
    async with sealed_log(postgres, folder / "objects") as log:
        await log.append(300)
        await log.seal()
        await log.append(SIZE - 300)
        await log.append(40, partition=1)
        await log.seal(0, 1)
        for table in TABLES:
            await log.pool.execute(f"create table kept_{table} as table {table}")
        shutil.copytree(folder / "objects", folder / "kept")
        yield log


@pytest_asyncio.fixture(loop_scope="session")
async def log(sealed: SealedLog) -> AsyncIterator[SealedLog]:
    """As it was sealed, whatever the test before did to it."""
    yield sealed
    for table in TABLES:
        await sealed.tamper(f"delete from {table}")
        await sealed.tamper(f"insert into {table} select * from kept_{table}")
    shutil.rmtree(sealed.folder)
    shutil.copytree(sealed.folder.parent / "kept", sealed.folder)


def places_of(log: SealedLog) -> Places:
    return Places(database_url=log.url, object_store=log.folder.as_uri())


async def findings(
    log: SealedLog, *, kept: Sequence[Kept] = (), keys: Sequence[VerifierKey] = ()
) -> list[Finding]:
    found = await verify(places_of(log), processes=1, kept=kept, keys=keys)
    return [finding for each in found for finding in each.findings]


async def the_finding(log: SealedLog) -> Finding:
    [finding] = await findings(log)
    assert "\n" not in str(finding)
    return finding


def update(assignment: str, seq: int) -> Tamper:
    return lambda log: log.tamper(f"update events set {assignment} where partition = 0 and seq = {seq}")


def delete(condition: str) -> Tamper:
    return lambda log: log.tamper(f"delete from events where partition = 0 and {condition}")


async def allow_any_seq(log: SealedLog) -> None:
    for table in ("events", "events_0", "events_1"):
        await log.tamper(f"alter table {table} drop constraint if exists events_seq_check")


async def delete_and_close_up(log: SealedLog, seq: int) -> None:
    await delete(f"seq = {seq}")(log)
    await log.tamper("update events set seq = -seq where partition = 0 and seq > $1", seq)
    await log.tamper("update events set seq = -seq - 1 where partition = 0 and seq < 0")


async def insert(log: SealedLog, seq: int) -> None:
    await allow_any_seq(log)
    await log.tamper("update events set seq = -seq where partition = 0 and seq >= $1", seq)
    await log.tamper("update events set seq = -seq + 1 where partition = 0 and seq < 0")
    await log.tamper(
        """insert into events select partition, $1::bigint, stream_id || 'x', version, owner_id, type, schema_version, data,
        gen_random_uuid(), recorded_at, actor, correlation_id, causation_id, request_id, traceparent
        from events where partition = 0 and seq = $1::bigint + 1""",
        seq,
    )


async def swap(log: SealedLog, first: int, second: int) -> None:
    for old, new in ((first, 1_000_000), (second, first), (1_000_000, second)):
        await log.tamper("update events set seq = $2 where partition = 0 and seq = $1", old, new)


async def test_an_untouched_log_is_as_it_was_sealed(log: SealedLog) -> None:
    found = await verify(places_of(log), processes=2)
    assert [(each.partition, each.sealed, each.events, list(each.findings)) for each in found] == [
        (0, SIZE, SIZE, []),
        (1, 40, 40, []),
    ]
    assert found[0].root == (await log.checkpoint()).root.hex()


async def test_events_after_the_checkpoint_are_counted_and_not_judged(log: SealedLog) -> None:
    await log.append(5)
    found = await verify(places_of(log), processes=1)
    assert (found[0].sealed, found[0].events, list(found[0].findings)) == (SIZE, SIZE + 5, [])


@pytest.mark.parametrize(
    ("assignment", "column"),
    [
        ("data = set_byte(data, 12, (get_byte(data, 12) + 1) % 128)", "data"),
        ("data = '\\xff'::bytea || data", "data"),
        ("data = decode(repeat('78', 70000), 'hex')", "data"),
        ("actor = actor || ' '", "actor"),
        ("recorded_at = recorded_at + interval '1 microsecond'", "recorded_at"),
        ("recorded_at = 'infinity'", "recorded_at"),
        ("stream_id = stream_id || 'x'", "stream_id"),
        ("version = version + 100000", "version"),
        ("owner_id = gen_random_uuid()", "owner_id"),
        ("type = 'QuotaReleased'", "type"),
        ("schema_version = 2", "schema_version"),
        ("correlation_id = gen_random_uuid()", "correlation_id"),
        ("causation_id = gen_random_uuid()", "causation_id"),
        ("request_id = ''", "request_id"),
        ("traceparent = '00-'", "traceparent"),
        ("actor = repeat('x', 70000)", "metadata"),
    ],
)
async def test_a_change_of_any_column_is_found_and_named(
    log: SealedLog, assignment: str, column: str
) -> None:
    await update(assignment, 301)(log)
    finding = await the_finding(log)
    assert (finding.partition, finding.seq, finding.kind) == (0, 301, "changed")
    assert column in finding.what


@pytest.mark.parametrize("seq", [1, 256, 257, 512, 513, SIZE])
async def test_the_first_of_several_changes_is_the_one_that_is_named(log: SealedLog, seq: int) -> None:
    await log.tamper("update events set actor = 'x' where partition = 0 and seq >= $1", seq)
    finding = await the_finding(log)
    assert (finding.seq, finding.kind) == (seq, "changed")


async def test_an_event_id_that_was_changed_is_another_event(log: SealedLog) -> None:
    await update("event_id = gen_random_uuid()", 9)(log)
    finding = await the_finding(log)
    assert (finding.seq, finding.kind) == (9, "changed")
    assert "another event" in finding.what


@pytest.mark.parametrize("seq", [1, 255, 256, 257, 400, SIZE])
async def test_an_event_that_was_deleted_is_named(log: SealedLog, seq: int) -> None:
    await delete(f"seq = {seq}")(log)
    finding = await the_finding(log)
    assert (finding.seq, finding.kind) == (seq, "removed")
    assert "QuotaGranted of quota-" in finding.what


async def test_an_end_that_was_cut_off_is_named_by_its_first_event(log: SealedLog) -> None:
    await delete("seq > 511")(log)
    assert (await the_finding(log)).seq == 512


async def test_a_partition_that_was_emptied_is_named_by_its_first_event(log: SealedLog) -> None:
    await delete("true")(log)
    finding = await the_finding(log)
    assert (finding.seq, finding.kind) == (1, "removed")


@pytest.mark.parametrize("seq", [1, 256, 400, SIZE - 1])
async def test_an_event_that_was_deleted_with_the_others_moved_up_is_named(
    log: SealedLog, seq: int
) -> None:
    await allow_any_seq(log)
    await delete_and_close_up(log, seq)
    finding = await the_finding(log)
    assert (finding.seq, finding.kind) == (seq, "removed")


@pytest.mark.parametrize("seq", [1, 256, 257, 400])
async def test_an_event_that_was_put_in_between_is_named(log: SealedLog, seq: int) -> None:
    await insert(log, seq)
    finding = await the_finding(log)
    assert (finding.seq, finding.kind) == (seq, "inserted")


@pytest.mark.parametrize(("first", "second"), [(4, 5), (256, 257), (2, 699)])
async def test_two_events_that_were_swapped_are_named(log: SealedLog, first: int, second: int) -> None:
    await swap(log, first, second)
    finding = await the_finding(log)
    assert (finding.seq, finding.kind) == (first, "reordered")
    assert f"is event {second} now" in finding.what


@pytest.mark.parametrize(("partition", "seq"), [(0, 0), (0, -5), (7, 1), (-1, 1)])
async def test_an_event_where_no_reader_looks_is_named(log: SealedLog, partition: int, seq: int) -> None:
    await allow_any_seq(log)
    if partition not in (0, 1):
        await log.tamper(
            f'create table "strange {partition}" partition of events for values in ({partition})'
        )
    await log.tamper(
        """insert into events select $1::integer, $2::bigint, stream_id || 'x', version, owner_id, type, schema_version, data, gen_random_uuid(),
        recorded_at, actor, correlation_id, causation_id, request_id, traceparent from events where partition = 0 and seq = 1""",
        partition,
        seq,
    )
    finding = await the_finding(log)
    assert (finding.partition, finding.seq, finding.kind) == (partition, seq, "inserted")


async def test_changes_in_two_partitions_are_both_named(log: SealedLog) -> None:
    await log.tamper("update events set actor = 'x' where seq = 7")
    assert [(each.partition, each.seq, each.kind) for each in await findings(log)] == [
        (0, 7, "changed"),
        (1, 7, "changed"),
    ]


TILES = ["tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/188"]


@pytest.mark.parametrize("path", TILES)
@pytest.mark.parametrize("how", ["missing", "cut off", "another's", "a byte changed", "empty"])
async def test_a_tile_that_is_damaged_is_named_and_the_events_are_not_blamed(
    log: SealedLog, path: str, how: str
) -> None:
    file = log.folder / "evidence" / "0" / path
    content = file.read_bytes()
    match how:
        case "missing":
            file.unlink()
        case "cut off":
            file.write_bytes(content[:-5])
        case "another's":
            file.write_bytes(bytes(len(content)))
        case "empty":
            file.write_bytes(b"")
        case _:
            file.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    found = await findings(log)
    assert {each.kind for each in found} == {"tile"}
    assert path in found[0].what
    assert "give the object back from a backup" in found[0].what


async def test_a_changed_event_is_named_beside_a_damaged_tile_before_it(log: SealedLog) -> None:
    (log.folder / "evidence" / "0" / "tile/entries/000").unlink()
    await update("actor = 'x'", 300)(log)
    assert [(each.seq, each.kind) for each in await findings(log)] == [(1, "tile"), (300, "changed")]


async def test_a_checkpoint_that_another_key_signed_is_refused_by_its_signature(log: SealedLog) -> None:
    checkpoint = await log.checkpoint()
    note = signed(checkpoint.text, log.signing_key(key=OTHER_KEY))
    await log.tamper("update evidence_checkpoints set note = $1 where partition = 0", note)
    finding = await the_finding(log)
    assert finding.kind == "checkpoint"
    assert log.signing_key(key=OTHER_KEY).verifier.key_id.hex() in finding.what


async def test_the_key_that_the_auditor_trusts_counts_and_not_the_one_in_the_database(
    log: SealedLog,
) -> None:
    await rewritten(log, OTHER_KEY)
    assert await findings(log) == []  # All that is in the operator's hands agrees.
    found = await findings(log, keys=[log.signing_key(each).verifier for each in (0, 1)])
    assert [(each.partition, each.kind) for each in found] == [(0, "checkpoint")]


@pytest.mark.parametrize(
    "statement",
    [
        "delete from evidence_checkpoints",
        "update evidence_checkpoints set size = 41, previous_size = 40 where partition = 1",
    ],
)
async def test_a_checkpoint_that_is_gone_or_says_another_size_is_told_of(
    log: SealedLog, statement: str
) -> None:
    await log.tamper(statement)
    found = await findings(log)
    assert found
    assert {each.kind for each in found} == {"checkpoint"}


async def rewritten(log: SealedLog, key: SealKey = KEY) -> None:
    """By somebody who has everything: the log is changed, and all of it is sealed anew, with a good signature."""
    await update("actor = 'x'", 5)(log)
    await log.tamper("delete from evidence_checkpoints where partition = 0")
    if key is OTHER_KEY:
        await log.tamper("delete from evidence_keys where partition = 0")
        await log.tables.add_keys(0, [log.signing_key(key=OTHER_KEY).verifier])
    shutil.rmtree(log.folder / "evidence" / "0")
    await log.sealer(key=key).seal()


async def test_a_log_that_was_rewritten_and_sealed_again_is_caught_by_a_checkpoint_that_was_kept(
    log: SealedLog,
) -> None:
    latest = await log.tables.latest(PARTITION)
    assert latest is not None
    kept = Kept("mine", latest.note)
    await log.append(10)
    await log.seal()
    assert await findings(log, kept=[kept, Kept("early", log.told[0].note)]) == []
    await rewritten(log)
    assert await findings(log) == []
    [finding] = await findings(log, kept=[kept])
    assert (finding.partition, finding.kind) == (0, "rewritten")
    assert f"the first {SIZE} events are not those of the checkpoint that was kept" in finding.what


async def test_a_log_that_is_shorter_than_the_checkpoint_that_was_kept_is_caught(log: SealedLog) -> None:
    latest = await log.tables.latest(PARTITION)
    assert latest is not None
    await delete("seq > 650")(log)
    await rewritten(log)
    [finding] = await findings(log, kept=[Kept("mine", latest.note)])
    assert (finding.seq, finding.kind) == (651, "rewritten")


async def test_events_and_tiles_that_agree_about_another_log_are_caught_by_the_root(log: SealedLog) -> None:
    latest = await log.tables.latest(PARTITION)
    assert latest is not None
    await rewritten(log)
    await log.tamper(
        "update evidence_checkpoints set note = $1, root = $2 where partition = 0", latest.note, latest.root
    )
    assert [each.kind for each in await findings(log)] == ["checkpoint", "rewritten"]


@pytest.mark.parametrize("note", ["", "hello\n", "cut off"])
async def test_a_kept_checkpoint_that_is_none_is_one_line(log: SealedLog, note: str) -> None:
    with pytest.raises(UnusableCheckpoint, match=r"^mine: "):
        await findings(log, kept=[Kept("mine", note)])


async def test_a_kept_checkpoint_of_another_log_or_key_is_one_line(log: SealedLog) -> None:
    other = signed(Checkpoint("stenolog/elsewhere/0", 3, b"\0" * 32).text, log.signing_key())
    with pytest.raises(UnusableCheckpoint, match="this is a checkpoint of stenolog/elsewhere/0"):
        await findings(log, kept=[Kept("mine", other)])
    unknown = signed((await log.checkpoint()).text, log.signing_key(key=OTHER_KEY))
    with pytest.raises(UnusableCheckpoint, match="give the key that signed it with --key"):
        await findings(log, kept=[Kept("mine", unknown)])


async def test_a_partition_that_was_taken_out_of_the_log_is_neither_good_nor_tampered_with(
    log: SealedLog,
) -> None:
    await log.tamper("alter table events detach partition events_1")
    try:
        found = await verify(places_of(log), processes=1)
        with pytest.raises(TableDetached):
            await log.sealer(1).seal()
    finally:
        await log.tamper("alter table events attach partition events_1 for values in (1)")
    assert [(each.detached, list(each.findings)) for each in found] == [(False, []), (True, [])]
