"""The log of the version before fields were sealed: `stenolog migrate` seals it where it lies, whatever happens meanwhile."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from cli.migrations import migrate_database
from cli.sealing_log import seal_earlier_events
from infrastructure.postgres.clear_events import Kept, kept_in_the_clear
from infrastructure.postgres.pool import Pool
from infrastructure.processes import ROOT
from infrastructure.settings import InvalidSetting
from schemas.events import IN_THE_CLEAR, StoredRow, decode, opened
from tests.golden.earlier import BEFORE, CLEAR, SAID, Earlier
from tests.golden.histories import History
from tests.keys import MASTER_KEYS_TEXT, keys_on
from tests.stack.waiting import END_SECONDS

UNTOUCHED = [name for name in BEFORE.log[0] if name not in ("schema_version", "data")]


async def found_on_disk(pool: Pool) -> list[str]:
    """What of SAID is in any file of the database's tables, indexes and statistics."""
    await pool.execute("checkpoint")
    rows = await pool.fetch(
        "select pg_read_binary_file(pg_relation_filepath(oid), 0, 1 << 29, true) as content from pg_class "
        "where relkind in ('r', 't', 'i', 'm') and pg_relation_filepath(oid) is not null"
    )
    files = b"".join(row["content"] or b"" for row in rows)
    return [said for said in SAID if said.encode() in files]


async def test_no_byte_of_what_it_said_is_left_in_the_database(earlier: Earlier) -> None:
    await earlier.pool.execute("analyze events")
    assert await found_on_disk(earlier.pool) == SAID
    outcome = await earlier.seal()
    assert (outcome.sealed, outcome.kept, outcome.unreadable) == (len(CLEAR), 0, [])
    await earlier.pool.execute("vacuum full")
    assert await found_on_disk(earlier.pool) == []


async def test_nothing_but_the_data_and_its_version_changes(earlier: Earlier) -> None:
    before = await earlier.rows(UNTOUCHED)
    others = "select partition, seq, schema_version, data from events where type not in (select unnest($1::text[])) order by 1, 2"
    names = [name for name, _ in IN_THE_CLEAR]
    untouched = await earlier.pool.fetch(others, names)
    await earlier.seal()
    assert await earlier.rows(UNTOUCHED) == before
    assert await earlier.pool.fetch(others, names) == untouched


async def test_each_event_says_what_it_said(earlier: Earlier) -> None:
    await earlier.seal()
    keys = await keys_on(earlier.pool).of({UUID(row["owner_id"]) for row in CLEAR})
    columns = ("type", "schema_version", "data", "version")
    for now, then in zip(await earlier.rows(columns), BEFORE.log, strict=True):
        was = decode(then["type"], then["schema_version"], then["data"].encode(), then["version"])
        assert opened(StoredRow(*now), keys) == was


async def test_the_read_models_that_are_made_of_it_are_the_same(earlier: Earlier) -> None:
    before = await earlier.made_of_it()
    assert all(before.values())
    await earlier.seal()
    assert await earlier.made_of_it() == before


async def test_done_again_it_changes_nothing(earlier: Earlier) -> None:
    await earlier.seal()
    before = await earlier.rows(["*"])
    assert (await earlier.seal()).sealed == 0
    assert await earlier.rows(["*"]) == before


async def test_a_hundred_at_once_seal_each_event_once(earlier: Earlier) -> None:
    outcomes = await asyncio.gather(*(earlier.seal(stretch=1 + each % 5) for each in range(100)))
    assert sum(each.sealed for each in outcomes) == len(CLEAR)
    assert await earlier.clear() == 0


async def test_what_a_process_of_the_version_before_adds_is_sealed_by_the_next_run(
    earlier: Earlier,
) -> None:
    await earlier.seal()
    row = next(row for row in CLEAR if row["type"] == "UserRegistered")
    head = "select max(seq) + 1 from events where partition = $1"
    again = {**row, "seq": await earlier.pool.fetchval(head, row["partition"]), "version": 2}
    await insert(earlier.pool, again)
    assert (await earlier.clear(), (await earlier.seal()).sealed, await earlier.clear()) == (1, 1, 0)


async def insert(pool: Pool, row: dict[str, Any]) -> None:
    late = History(migration="", partition_count=0, log=[row], read_models={})
    await pool.copy_records_to_table("events", columns=list(row), records=late.records)


async def test_the_table_is_append_only_again(earlier: Earlier) -> None:
    await earlier.seal()
    for partition in range(BEFORE.partition_count):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await earlier.pool.execute(f"update events_{partition} set actor = 'x'")


async def test_what_cannot_be_read_is_named_and_keeps_nothing_else_from_being_sealed(
    earlier: Earlier, capsys: pytest.CaptureFixture[str]
) -> None:
    [broken, *_] = CLEAR
    where = broken["partition"], broken["seq"]
    await earlier.tamper("update events set data = '{' where partition = $1 and seq = $2", *where)
    outcome = await earlier.seal()
    assert (outcome.unreadable, await earlier.clear()) == ([f"{where[0]}:{where[1]}"], 1)
    kept = Kept(0, frozenset({where[1]}))
    assert await kept_in_the_clear(earlier.pool, where[0]) == kept
    await migrate_database(earlier.settings)
    said = capsys.readouterr().out
    assert f"personal fields: events {where[0]}:{where[1]} cannot be read and stay as they are" in said


async def test_without_master_keys_nothing_is_begun_and_it_is_said_how_to_give_them(
    earlier: Earlier,
) -> None:
    settings = msgspec.structs.replace(earlier.settings, master_keys="")
    with pytest.raises(InvalidSetting, match="STENOLOG_MASTER_KEYS is missing: give it as NAME=BASE64"):
        await migrate_database(settings)
    assert await earlier.clear() == len(CLEAR)


async def test_a_partition_that_is_detached_is_said_and_sealed_once_it_is_back(
    earlier: Earlier, capsys: pytest.CaptureFixture[str]
) -> None:
    partition = CLEAR[0]["partition"]
    await earlier.pool.execute(f"alter table events detach partition events_{partition}")
    await migrate_database(earlier.settings)
    assert f"personal fields: partitions {partition} are detached" in capsys.readouterr().out
    await earlier.pool.execute(
        f"alter table events attach partition events_{partition} for values in ({partition})"
    )
    await seal_earlier_events(earlier.settings)
    assert await earlier.clear() == 0


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(END_SECONDS):
        while not await condition():  # the condition is in the database
            await asyncio.sleep(0.02)


class Killed(Exception):
    """Where it is raised nothing more is done."""


async def test_stopped_after_any_stretch_it_goes_on_where_it_was(earlier: Earlier) -> None:
    stretches = 0

    def die(_looked: int, _there: int) -> None:
        raise Killed

    while await earlier.clear():
        before = await earlier.clear()
        with pytest.raises(Killed):
            await earlier.seal(stretch=7, tell=die)
        stretches += 1
        assert before - 7 <= await earlier.clear() <= before
    assert stretches > 5
    assert (await earlier.seal(stretch=7)).sealed == 0


async def test_a_migration_that_is_killed_in_its_transaction_leaves_the_log_as_it_was(
    earlier: Earlier,
) -> None:
    """It has rewritten the events, and is held where it notes that."""
    partition = CLEAR[0]["partition"]
    before = await earlier.rows(["*"])
    waits = "select count(*) from pg_locks where locktype = 'transactionid' and not granted"
    await earlier.pool.execute("insert into clear_events (partition) values ($1)", partition)
    async with earlier.pool.acquire() as holder, holder.transaction():
        await holder.execute("select from clear_events for update")
        migrating = await start_migration(earlier)
        await until(lambda: earlier.pool.fetchval(waits))
        migrating.send_signal(signal.SIGKILL)
        await migrating.wait()
        # The server notices when it has something to say.
        await earlier.pool.fetch("select pg_terminate_backend(pid) from pg_locks where not granted")
    assert await earlier.rows(["*"]) == before
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await earlier.pool.execute(f"update events_{partition} set actor = 'x'")
    migrating = await start_migration(earlier)
    output, _ = await migrating.communicate()
    assert migrating.returncode == 0, output.decode()
    assert f"personal fields: sealed in {len(CLEAR)} events of before\n" in output.decode()
    assert await earlier.clear() == 0


async def start_migration(earlier: Earlier) -> asyncio.subprocess.Process:
    variables = {
        "STENOLOG_DATABASE_URL": earlier.url,
        "STENOLOG_PARTITIONS": str(BEFORE.partition_count),
        "STENOLOG_MASTER_KEYS": MASTER_KEYS_TEXT,
        "PYTHONPATH": str(ROOT),
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.migrations"),
        env={**os.environ, **variables},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
