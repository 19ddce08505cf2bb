"""`stenolog events verify` that does not get to its end, and says so."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psutil
import pytest

from tests.evidence.logs import SealedLog
from tests.evidence.test_commands import SECONDS, started, stenolog
from tests.infrastructure.kafka.messages import until

WAITING = "select exists (select from pg_locks where relation = 'events'::regclass and not granted)"


@asynccontextmanager
async def with_few_connections(log: SealedLog, count: int) -> AsyncIterator[SealedLog]:
    """The same for somebody who may only read, and have so many connections at a time."""
    name = f"few_{uuid4().hex[:12]}"
    await log.pool.execute(
        f"create role {name} login password 'few' in role pg_read_all_data connection limit {count}"
    )
    parts = urlsplit(log.url)
    url = urlunsplit(parts._replace(netloc=f"{name}:few@{parts.netloc.rpartition('@')[2]}"))
    yield SealedLog(url, log.pool, log.store, log.objects, log.folder)
    await log.pool.execute(f"drop role {name}")


async def test_verify_ends_when_its_processes_get_no_connection(log: SealedLog, tmp_path: Path) -> None:
    await log.append(3)
    await log.seal()
    async with with_few_connections(log, 1) as narrow:
        answer = await stenolog(narrow, tmp_path, "verify")
    assert (answer.code, answer.output) == (1, "")
    assert "cannot connect to the database: too many connections for role" in answer.said
    assert len(answer.said.splitlines()) == 1


@pytest.mark.parametrize("ended", ["interrupted", "a process of its was killed"])
async def test_a_verification_that_is_broken_off_is_no_good_answer(
    log: SealedLog, tmp_path: Path, ended: str
) -> None:
    await log.append(3)
    await log.seal()
    async with log.pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table events in access exclusive mode")
        running = await started(log, tmp_path, "verify", "--processes", "1")
        await until(lambda: log.pool.fetchval(WAITING))
        if ended == "interrupted":
            running.send_signal(signal.SIGINT)
        else:
            worker_of(running.pid).kill()
        async with asyncio.timeout(SECONDS / 2):
            output, said = await running.communicate()
    assert (output, running.returncode) == (b"", 130 if ended == "interrupted" else 1)
    assert b"Traceback" not in said


async def test_verifying_makes_no_folder_where_none_is(log: SealedLog, tmp_path: Path) -> None:
    elsewhere = SealedLog(log.url, log.pool, log.store, log.objects, tmp_path / "none")
    for command in (["verify"], ["prove", "0:1"]):
        answer = await stenolog(elsewhere, tmp_path, *command)
        assert (answer.code, answer.output) == (2, "")
        assert "there is no folder" in answer.said
    assert not (tmp_path / "none").exists()


def worker_of(pid: int) -> psutil.Process:
    [worker] = [each for each in psutil.Process(pid).children() if "spawn_main" in str(each.cmdline())]
    return worker
