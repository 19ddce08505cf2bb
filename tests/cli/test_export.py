"""`stenolog events export`: what is in the log, whole or not there, whatever ends it."""

import asyncio
import errno
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from base64 import b64decode
from collections import Counter
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import duckdb
import msgspec
import pytest

from cli.part_files import Lines, PartFile, UnusableFile
from tests.cli.auditors import Answer, environment, stenolog
from tests.cli.stories import Teller
from tests.infrastructure.postgres.database import PARTITION_COUNT

DEADLINE_SECONDS = 60.0


def events_in(file: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]


def addresses_in(file: Path) -> list[tuple[int, int]]:
    return [(each["partition"], int(each["sequence"])) for each in events_in(file)]


async def export(url: str, folder: Path, *arguments: str) -> Answer:
    return await stenolog(url, folder, "export", "-o", "log", *arguments)


async def stored(url: str, condition: str = "true") -> list[tuple[int, int]]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            f"select partition, seq from events where {condition} order by partition, seq"
        )
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


async def test_all_events_are_exported_as_cloud_events_with_a_digest(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    stories = [await teller.tell() for _ in range(3)]
    answer = await export(auditor_url, tmp_path)
    assert answer.code == 0, answer
    content = (tmp_path / "log").read_bytes()
    assert answer.output == (
        f"24 events in log, {len(content):,} bytes\nsha256 {sha256(content).hexdigest()}\n"
    )
    assert addresses_in(tmp_path / "log") == await stored(auditor_url)
    first = next(
        each
        for each in events_in(tmp_path / "log")
        if (each["partition"], each["sequence"]) == (stories[0].partition, "1")
    )
    assert first == first | {
        "specversion": "1.0",
        "source": "/stenolog",
        "type": "UserRegistered.v2",
        "datacontenttype": "application/json",
        "streamversion": 1,
    }
    assert b64decode(first["data"]["email"], validate=True), "sealed, as it is stored"
    assert all((name.islower() and name.isalnum()) or name == "data_base64" for name in first)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


async def test_a_persons_export_has_every_event_of_theirs_and_no_other(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    await teller.tell(UUID(int=story.owner_id.int + (1 << 64)))
    answer = await export(auditor_url, tmp_path, "--person", str(story.owner_id), "--json")
    assert msgspec.json.decode(answer.output)["events"] == 8
    assert addresses_in(tmp_path / "log") == await stored(auditor_url, f"owner_id = '{story.owner_id}'")


async def test_a_range_of_time_has_what_was_recorded_in_it(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    await teller.tell()
    connection = await asyncpg.connect(auditor_url)
    between = await connection.fetchval("select clock_timestamp()")
    await connection.close()
    await teller.tell()
    for name, bounds, sign in (("log", "--until", "<="), ("late", "--from", ">=")):
        answer = await stenolog(auditor_url, tmp_path, "export", "-o", name, bounds, between.isoformat())
        assert answer.code == 0, answer
        found = addresses_in(tmp_path / name)
        assert found == await stored(auditor_url, f"recorded_at {sign} '{between.isoformat()}'")
        assert len(found) == 8


async def test_a_range_of_addresses_is_of_one_partition(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    here = story.partition
    answer = await export(auditor_url, tmp_path, "--from", f"{here}:3", "--until", f"{here}:5")
    assert answer.code == 0, answer
    assert addresses_in(tmp_path / "log") == [(here, 3), (here, 4), (here, 5)]


async def test_parquet_has_the_same_events_with_types_of_a_table(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    assert (await stenolog(auditor_url, tmp_path, "export", "-o", "lines")).code == 0
    answer = await export(auditor_url, tmp_path, "--format", "parquet", "--json")
    assert answer.code == 0, answer
    told = msgspec.json.decode(answer.output)
    assert told["sha256"] == sha256((tmp_path / "log").read_bytes()).hexdigest()
    table = duckdb.read_parquet(str(tmp_path / "log"))
    rows = table.project("partition, sequence, type, partitionkey, epoch_us(time), data").fetchall()
    expected = events_in(tmp_path / "lines")
    assert [(row[0], str(row[1]), row[2]) for row in rows] == [
        (each["partition"], each["sequence"], each["type"]) for each in expected
    ]
    assert {row[3] for row in rows} == {story.owner_id}
    assert [msgspec.json.decode(row[5]) for row in rows] == [each["data"] for each in expected]
    connection = await asyncpg.connect(auditor_url)
    times = await connection.fetch(
        "select (extract(epoch from recorded_at) * 1000000)::bigint from events order by partition, seq"
    )
    await connection.close()
    assert [row[4] for row in rows] == [row[0] for row in times]
    assert {path.name for path in tmp_path.iterdir()} == {"log", "lines"}


async def test_an_empty_log_is_an_empty_file(migrated_url: str, tmp_path: Path) -> None:
    assert (await export(migrated_url, tmp_path)).output.startswith("0 events in log, 0 bytes\n")
    answer = await stenolog(migrated_url, tmp_path, "export", "-o", "table", "--format", "parquet")
    assert answer.code == 0, answer
    assert duckdb.read_parquet(str(tmp_path / "table")).fetchall() == []


async def many(url: str, count: int) -> None:
    """Events as the append writes them, by the database itself: so many take a second."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            """
            insert into events (partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id,
                recorded_at, actor, correlation_id)
            select partition, seq, 'quota-' || partition || '-' || seq, 1, gen_random_uuid(), 'QuotaGranted', 1,
                convert_to('{"filler":"' || repeat('x', 300) || '"}', 'UTF8'), gen_random_uuid(),
                clock_timestamp(), 'anna', gen_random_uuid()
            from log_partitions cross join generate_series(1, $1) as seq
            """.replace("$1", str(count))
        )
    finally:
        await connection.close()


async def start_and_kill(url: str, folder: Path, bytes_min: int) -> None:
    """Ends it with no warning once so much is written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "events", "export", "-o", "log", env=environment(url), cwd=folder,
        stdout=DEVNULL, stderr=DEVNULL,
    )  # fmt: skip
    part = folder / "log.part"
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (part.exists() and part.stat().st_size >= bytes_min) and process.returncode is None:
            await asyncio.sleep(0.001)  # the condition is on the disk
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    assert not (folder / "log").exists()


async def test_an_export_that_is_killed_again_and_again_goes_on_and_is_the_same_as_one_in_one_go(
    migrated_url: str, auditor_url: str, tmp_path: Path
) -> None:
    await many(migrated_url, 6_000)
    for megabytes in (1, 4, 9):
        await start_and_kill(auditor_url, tmp_path, megabytes << 20)
    await many_more(migrated_url)
    with (tmp_path / "log.part").open("ab") as torn:
        torn.write(b'{"specversion":"1.0","id":"half a li')
    answer = await export(auditor_url, tmp_path, "--json")
    assert answer.code == 0, answer
    assert msgspec.json.decode(answer.output)["events"] == 6_000 * PARTITION_COUNT
    found = addresses_in(tmp_path / "log")
    assert found == [(at, seq) for at in range(PARTITION_COUNT) for seq in range(1, 6_001)]
    assert Counter(found).most_common(1)[0][1] == 1
    until = f"{PARTITION_COUNT - 1}:6000"
    whole = await stenolog(
        auditor_url,
        tmp_path,
        "export",
        "-o",
        "whole",
        "--from",
        f"{PARTITION_COUNT - 1}:1",
        "--until",
        until,
    )
    assert whole.code == 0, whole
    assert (tmp_path / "log").read_bytes().endswith((tmp_path / "whole").read_bytes())
    assert {path.name for path in tmp_path.iterdir()} == {"log", "whole"}


async def many_more(url: str) -> None:
    """Appended after the export was begun, and so no part of it."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "insert into events select partition, seq + 1, stream_id || 'x', 1, owner_id, type, 1, data, "
            "gen_random_uuid(), recorded_at, actor, correlation_id from events where seq = 6000"
        )
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--from", "2026-13-01"], 2, "'2026-13-01' is neither a time nor an address"),
        (["--from", "HERE:1", "--until", "9:1"], 1, "there is no partition 9"),
        (["--until", "HERE:9"], 1, "there is no event HERE:9"),
        (["--from", "HERE:5", "--until", "HERE:3"], 1, "nothing can lie in that range"),
        (["--from", "HERE:1", "--person", "ELSE"], 1, "nothing can lie in that range"),
        (["--from", "2026-01-02", "--until", "2026-01-01"], 1, "nothing can lie in that range"),
        (["--person", "ELSE"], 1, "the log has no stream user-"),
        (["--person", "anna"], 2, "'anna' is not a valid UUID"),
        (["--format", "csv"], 2, "'csv' is not one of"),
        (["-o", "none/log"], 1, "cannot write none/log.part: No such file or directory"),
    ],
)
async def test_what_cannot_be_exported_is_said_in_a_line_and_leaves_nothing(
    teller: Teller, auditor_url: str, tmp_path: Path, *, arguments: list[str], code: int, told: str
) -> None:
    story = await teller.tell()
    here, other = str(story.partition), str(UUID(int=story.owner_id.int ^ 1))
    arguments = [each.replace("HERE", here).replace("ELSE", other) for each in arguments]
    answer = await export(auditor_url, tmp_path, *arguments)
    assert (answer.code, answer.output) == (code, "")
    assert told.replace("HERE", here) in answer.said.splitlines()[-1]
    assert "Traceback" not in answer.said
    assert list(tmp_path.iterdir()) == []


async def test_what_is_there_already_is_not_touched(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    await teller.tell()
    (tmp_path / "log").write_text("mine")
    answer = await export(auditor_url, tmp_path)
    assert (answer.code, answer.said) == (
        1,
        "stenolog: log is there already: remove it, or give another file\n",
    )
    assert (tmp_path / "log").read_text() == "mine"


async def test_a_part_of_another_export_is_not_gone_on_with(
    teller: Teller, auditor_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    (tmp_path / "log").mkdir()
    failed = await export(auditor_url, tmp_path)
    assert failed.code != 0
    (tmp_path / "log").rmdir()
    part = PartFile(tmp_path / "log")
    await export(auditor_url, tmp_path, "--person", str(story.owner_id))
    (tmp_path / "log").rename(tmp_path / "log.part")
    answer = await export(auditor_url, tmp_path)
    assert (answer.code, len(answer.said.splitlines())) == (1, 1)
    assert "nobody knows what log.part is a part of" in answer.said
    part.begin(b"{}")
    assert "nobody knows what" in (await export(auditor_url, tmp_path)).said
    (tmp_path / "log.part").unlink()


async def test_an_event_that_is_missing_ends_an_export_with_its_address(
    teller: Teller, auditor_url: str, migrated_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    connection = await asyncpg.connect(migrated_url)
    await connection.execute("set session_replication_role = replica")
    await connection.execute("delete from events where seq = 4")
    await connection.close()
    answer = await export(auditor_url, tmp_path)
    assert (answer.code, answer.output) == (1, "")
    assert f"event {story.partition}:4 is missing from the log" in answer.said
    assert not (tmp_path / "log").exists()


async def test_a_log_with_a_partition_away_is_not_exported_as_if_it_were_all(
    teller: Teller, auditor_url: str, migrated_url: str, tmp_path: Path
) -> None:
    story = await teller.tell()
    away = story.partition ^ 1
    connection = await asyncpg.connect(migrated_url)
    await connection.execute(f"alter table events detach partition events_{away}")
    await connection.close()
    answer = await export(auditor_url, tmp_path)
    assert answer.code == 1
    assert f"partition {away} is detached" in answer.said
    here = await export(auditor_url, tmp_path, "--from", f"{story.partition}:1")
    assert here.code == 0, here
    person = await stenolog(
        auditor_url, tmp_path, "export", "-o", "person", "--person", str(story.owner_id)
    )
    assert person.code == 0, person
    assert addresses_in(tmp_path / "person") == addresses_in(tmp_path / "log")


def test_two_at_once_do_not_write_into_one_file(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "log")
    part.begin(b"{}")
    with part.growing(), pytest.raises(UnusableFile, match="another process is writing"), part.growing():
        """Never comes here."""


class FullDisk(FileIO):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "log.part").touch()
    with FullDisk(tmp_path / "log.part", "r+b") as content:
        lines = Lines(tmp_path / "log.part", content)
        lines.write(b"x")
        with pytest.raises(UnusableFile, match="No space left on device; mend that, and go on"):
            lines.flush()
