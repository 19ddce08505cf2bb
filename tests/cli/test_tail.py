"""`stenolog events tail --follow` waits for a database that is away; and each reading is told of in the server's log."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from cli.audit import coming_records, heads_of, opened_log, stream_batches
from cli.moments import moment_of
from cli.past import past_of, streams_to_replay
from tests.cli.auditors import environment, stenolog
from tests.cli.stories import Teller

DEADLINE_SECONDS = 60.0


class Following:
    """A `stenolog events tail --follow`, and the lines it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line_with(self, text: str, stream: asyncio.StreamReader | None) -> str:
        assert stream is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            while line := (await stream.readline()).decode():
                if text in line:
                    return line
        raise AssertionError(f"it ended before it said {text}")

    async def shows(self, text: str) -> None:
        await self.line_with(text, self.process.stdout)

    async def says(self, text: str) -> None:
        await self.line_with(text, self.process.stderr)


@asynccontextmanager
async def following(url: str, folder: Path) -> AsyncIterator[Following]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "events", "tail", "-n", "1", "--follow", env=environment(url), cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Following(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_following_survives_the_end_of_its_connection_and_ends_cleanly(
    teller: Teller, migrated_url: str, auditor_url: str, tmp_path: Path
) -> None:
    first = await teller.tell()
    async with following(auditor_url, tmp_path) as tail:
        await tail.shows(str(first.addresses["completed"]))
        await cut_off(migrated_url, auditor_url)
        await tail.says("the database went away")
        await tail.says("the database is back")
        second = await teller.tell()
        await tail.shows(f"{second.addresses['completed']}  QuotaDebited")
        tail.process.send_signal(signal.SIGINT)
        assert await tail.process.wait() == 0
        assert tail.process.stderr is not None
        assert await tail.process.stderr.read() == b""


async def test_a_partition_that_is_attached_again_is_followed_from_its_end(
    teller: Teller, migrated_url: str, auditor_url: str
) -> None:
    story = await teller.tell()
    owner = await asyncpg.connect(migrated_url)
    table = f"events_{story.partition}"
    try:
        await owner.execute(f"alter table events detach partition {table}")
        async with opened_log(auditor_url) as log:
            coming = coming_records(log, await heads_of(log))
            next_one = asyncio.create_task(anext(coming))
            await until_asked(owner, auditor_url)
            await owner.execute(
                f"alter table events attach partition {table} for values in ({story.partition})"
            )
            await until_asked(owner, auditor_url)
            await teller.tell(story.owner_id)
            async with asyncio.timeout(DEADLINE_SECONDS):
                assert (await next_one).seq > story.addresses["completed"].seq
            await coming.aclose()
    finally:
        await owner.close()


async def until_asked(owner: asyncpg.Connection, auditor_url: str) -> None:
    """Until the auditor has begun, and ended, two queries from now on: so one of them saw what there is now."""
    since = await owner.fetchval("select clock_timestamp()")
    for _ in range(2):
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (
                began := await owner.fetchval(
                    "select query_start from pg_stat_activity where usename = $1 and query_start > $2 and state = 'idle'",
                    urlsplit(auditor_url).username,
                    since,
                )
            ):
                await asyncio.sleep(0.05)
        since = began


async def cut_off(owner_url: str, auditor_url: str) -> None:
    """As a restart of the server would: every session of theirs ends."""
    owner = await asyncpg.connect(owner_url)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await owner.fetch(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1",
                urlsplit(auditor_url).username,
            ):
                await asyncio.sleep(0.05)  # it is between two sessions
    finally:
        await owner.close()


COMMANDS = {
    "show": (["PERSON"], "person PERSON"),
    "tail": (["-n", "3"], "the newest 3"),
    "replay": (["--until", "HERE:5", "PERSON"], "user-PERSON until HERE:5"),
    "trace": (["HERE:1"], "HERE:1"),
    "export": (["-o", "log", "--person", "PERSON"], "person PERSON"),
    "verify-snapshots": ([], "all"),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_each_command_leaves_a_line_in_the_log_of_the_server_with_role_command_and_range(
    teller: Teller, auditor_url: str, tmp_path: Path, stack_folder: Path, command: str
) -> None:
    log = stack_folder / "logs" / "postgres.log"
    if not log.exists():
        pytest.skip("the server's log is in a container")
    story = await teller.tell()
    before = log.stat().st_size
    arguments, of_range = COMMANDS[command]
    names = {"PERSON": str(story.owner_id), "HERE": str(story.partition)}
    for name, value in names.items():
        arguments = [each.replace(name, value) for each in arguments]
        of_range = of_range.replace(name, value)
    answer = await stenolog(auditor_url, tmp_path, command, *arguments)
    assert answer.code == 0, answer
    with log.open("rb") as content:
        content.seek(before)
        [line] = [each for each in content.read().decode().splitlines() if "LOG:  AuditAccess" in each]
    assert f'"role": "{urlsplit(auditor_url).username}"' in line
    assert f'"command": "{command}"' in line
    assert f'"range": "{of_range}"' in line
    assert "anna@example.com" not in line


async def test_a_long_stream_is_read_in_batches(teller: Teller, migrated_url: str) -> None:
    story = await teller.tell()
    stream_id = f"quota-{story.owner_id}"
    connection = await asyncpg.connect(migrated_url)
    await connection.execute(
        """
        insert into events (partition, seq, stream_id, version, owner_id, type, schema_version, data, event_id,
            recorded_at, actor, correlation_id)
        select partition, 100 + number, stream_id, version + number, owner_id, type, 1, data, gen_random_uuid(),
            clock_timestamp(), actor, correlation_id
        from events cross join generate_series(1, 1200) as number where stream_id = $1 and version = 3
        """,
        stream_id,
    )
    await connection.close()
    async with opened_log(migrated_url) as log:
        [stream] = await streams_to_replay(log, stream_id)
        sizes = [len(batch) async for batch in stream_batches(log, stream)]
        past = await past_of(log, stream, moment_of(f"{stream.partition}:100"))
    assert sizes == [500, 500, 203]
    assert past.events == 3


async def test_a_database_that_is_not_of_this_version_or_of_another_role_says_what_to_do(
    migrated_url: str, auditor_url: str, tmp_path: Path
) -> None:
    owner = await asyncpg.connect(migrated_url)
    name = urlsplit(auditor_url).username
    await owner.execute(f"revoke stenolog_auditor from {name}")
    answer = await stenolog(auditor_url, tmp_path, "tail")
    assert (answer.code, answer.output) == (1, "")
    assert "this user may not read the log" in answer.said
    await owner.execute(f"grant stenolog_auditor to {name}")
    await owner.execute("drop function audit_access")
    await owner.close()
    answer = await stenolog(auditor_url, tmp_path, "tail")
    assert "run `stenolog migrate`" in answer.said
    parts = urlsplit(auditor_url)
    away = urlunsplit(parts._replace(netloc=f"{parts.username}:x@127.0.0.1:1"))
    answer = await stenolog(away, tmp_path, "tail")
    assert answer.said.startswith("stenolog: cannot connect to the database: ")
    assert "Traceback" not in answer.said


async def test_a_reader_of_standard_output_that_has_gone_is_not_taken_for_the_database(
    auditor_url: str,
) -> None:
    with pytest.raises(BrokenPipeError):
        async with opened_log(auditor_url):
            raise BrokenPipeError(32, "of `| head`")
