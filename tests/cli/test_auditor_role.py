"""The role of auditors reads the log and nothing else, and writes nothing."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from cli.audit import Connection, opened_log
from cli.auditor_role import READABLE, ROLE, provide_auditor
from cli.migrations import migrate_database
from cli.verifying import Places, verify
from evidence.tables import EvidenceTables
from infrastructure.settings import Settings
from tests.cli.auditors import environment
from tests.cli.stories import Teller
from tests.examples.programs import run_to_its_end
from tests.infrastructure.postgres.database import PARTITION_COUNT

RELATIONS = """
    select oid::regclass::text as name, oid, relkind from pg_class
    where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and relnamespace::regnamespace::text in ('public', 'read')
"""
WRITES = ("insert", "update", "delete", "truncate", "references", "trigger")


@pytest_asyncio.fixture
async def auditor(auditor_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(auditor_url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_an_auditor_who_asks_for_more_is_told_so_in_one_line(auditor_url: str) -> None:
    variables = environment(auditor_url)
    for command in ("migrate", "projections"):
        answer = await run_to_its_end(sys.executable, "-m", "cli", command, environment=variables)
        assert (answer.code, answer.output) == (1, "")
        assert "this user of the database may not do that (permission denied for" in answer.said
        assert "Traceback" not in answer.said


async def test_an_auditor_reads_what_is_named_and_no_other_table(
    auditor: Connection,
) -> None:
    readable = set()
    for row in await auditor.fetch(RELATIONS):
        if row["relkind"] != "S":
            try:
                await auditor.fetch(f"select * from {row['name']} limit 1")
            except asyncpg.InsufficientPrivilegeError:
                continue
            readable.add(row["name"])
    partitions = {f"events_{each}" for each in range(PARTITION_COUNT)}
    assert readable == {name.removeprefix("public.") for name in READABLE} | partitions
    assert not readable & {"credentials", "users", "read.users", "read.transcriptions", "known_sources"}


async def test_an_auditor_may_write_to_nothing(auditor: Connection) -> None:
    for row in await auditor.fetch(RELATIONS):
        allowed = [
            what
            for what in (("usage", "update") if row["relkind"] == "S" else WRITES)
            if await auditor.fetchval(
                f"select has_{'sequence' if row['relkind'] == 'S' else 'table'}_privilege($1::oid, $2)",
                row["oid"],
                what,
            )
        ]
        assert allowed == [], row["name"]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into log_settings (partition_count) values (9)",
        "delete from events",
        "delete from events_0",
        "truncate events_0",
        "update evidence_checkpoints set size = 1",
        "drop table events_0",
        "alter table events disable trigger all",
        "create table mine (n int)",
        "select create_partitions(99)",
        "select * from credentials",
        "select * from read.transcriptions",
        "set session_replication_role = replica",
    ],
)
async def test_what_an_auditor_tries_is_refused(auditor: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await auditor.execute(statement)


async def test_reading_leaves_a_line_in_the_log_of_the_server(
    auditor: Connection,
) -> None:
    heard: list[str] = []
    await auditor.execute("set client_min_messages = log")
    auditor.add_log_listener(lambda _, message: heard.append(message.message))
    await auditor.execute("select audit_access('show', 'user')")
    assert len(heard) == 1
    assert heard[0].startswith("AuditAccess {")
    assert f'"role": "{await auditor.fetchval("select session_user")}"' in heard[0]


async def test_an_auditor_can_verify_the_log(teller: Teller, auditor_url: str, tmp_path: Path) -> None:
    story = await teller.tell()
    found = await verify(Places(database_url=auditor_url, object_store=tmp_path.as_uri()))
    assert [each.events for each in found if each.partition == story.partition] == [8]
    async with opened_log(auditor_url) as log:
        tables = EvidenceTables(log)
        assert len(await tables.following(story.partition, 0, 100)) == 8
        assert await tables.keys(story.partition) == []


async def test_migrating_again_grants_nothing_more_and_gives_back_what_was_taken(
    migrated_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=migrated_url, partitions=PARTITION_COUNT)
    await provide_auditor(settings)
    assert capsys.readouterr().out.endswith("auditor: nothing to do\n")
    owner = await asyncpg.connect(migrated_url)
    try:
        await owner.execute(f"revoke select on events_1 from {ROLE}")
    finally:
        await owner.close()
    await migrate_database(settings)
    assert capsys.readouterr().out.endswith("auditor: events_1\n")


async def test_who_may_not_create_roles_is_told_what_an_administrator_has_to_do(
    auditor_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a managed database. Nobody has made the role yet."""
    missing = f"missing_{uuid4().hex[:12]}"
    capsys.readouterr()
    await provide_auditor(Settings(database_url=auditor_url), missing)
    told = capsys.readouterr().out
    assert told.startswith("auditor: this user may not create roles: let an administrator run ")
    assert f"`create role {missing} nologin`" in told
    assert len(told.splitlines()) == 1
