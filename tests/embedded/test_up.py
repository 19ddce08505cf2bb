"""`stenolog up` as a whole: ready, given servers, stopped too early, and unable to work.

That a killed one leaves nothing, and one that is told to stop ends well, is in tests/end_to_end.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psutil
import pytest

from embedded.stack_folder import StackFolder
from infrastructure.processes import ROOT
from tests.stack.leashed import leashed
from tests.stack.servers import Database
from tests.stack.waiting import eventually

START_SECONDS = 100.0


class Up:
    """A running `stenolog up`; what it prints lies beside its folder."""

    def __init__(self, folder: StackFolder, **variables: str) -> None:
        self.folder = folder
        self._output = folder.path.with_suffix(".out")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                leashed(sys.executable, "-m", "cli", "up", "--port", "0", "--data", str(folder.path)),
                env={**os.environ, "PYTHONPATH": str(ROOT), "STENOLOG_ENGINE": "scripted", **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def is_ready(self) -> None:
        await eventually(
            lambda: "\nready http" in self.said() or self.ended(), "it is ready", START_SECONDS
        )
        assert not self.ended(), self.said()

    def family(self) -> list[psutil.Process]:
        """Everything it started, at this moment."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def said(self) -> str:
        return self._output.read_text()

    def ended(self) -> bool:
        return self.process.poll() is not None


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    return StackFolder(tmp_path / "stenolog")


@pytest.fixture
def started(folder: StackFolder) -> Iterator[list[Up]]:
    """Whatever a test appends is ended."""
    running: list[Up] = []
    yield running
    for up in running:
        up.process.send_signal(signal.SIGTERM)
        up.process.wait(60)


async def test_up_that_is_stopped_while_it_starts_leaves_nothing(
    folder: StackFolder, started: list[Up]
) -> None:
    up = Up(folder)
    started.append(up)
    await eventually(lambda: len(up.family()) >= 1, "a first child runs")
    family = up.family()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    assert not any(_runs(member) for member in family)


async def test_what_is_given_is_used_and_only_the_rest_is_started(
    folder: StackFolder, started: list[Up], postgres_url: str, tmp_path: Path
) -> None:
    objects = tmp_path / "objects"
    up = Up(
        folder,
        STENOLOG_DATABASE_URL=postgres_url,
        STENOLOG_OBJECT_STORE=objects.as_uri(),
        STENOLOG_HOST="0.0.0.0",
    )
    started.append(up)
    await up.is_ready()
    assert folder.addresses().database_url == postgres_url
    assert folder.addresses().object_store == objects.as_uri()
    assert not folder.postgres.exists()
    assert not list(folder.objects.iterdir())
    assert objects.is_dir()
    port = urlsplit(folder.addresses().api_url).port
    [listening] = [
        each.laddr.ip
        for member in up.family()
        for each in member.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port
    ]
    assert listening == "0.0.0.0"
    password = urlsplit(postgres_url).password
    assert password
    assert password not in up.said()


async def test_a_child_that_cannot_work_is_named_with_its_last_words_and_no_trace(
    folder: StackFolder, started: list[Up], postgres_url: str
) -> None:
    wrong = urlsplit(postgres_url)._replace(path="/nowhere")
    up = Up(folder, STENOLOG_DATABASE_URL=urlunsplit(wrong), STENOLOG_BROKER="noida")
    started.append(up)
    await eventually(up.ended, "it has given up", START_SECONDS)
    assert up.process.returncode == 2
    last = up.said().splitlines()[-1]
    assert last.startswith(
        "stenolog: the migration of the database ended with code 2 "
        f"(see {folder.log('migrate')}): STENOLOG_DATABASE_URL: "
    )
    assert last.endswith('database "nowhere" does not exist')
    assert "Traceback" not in up.said()


async def test_a_migration_says_what_it_did(postgres: Database, kafka: str) -> None:
    name = f"migrated_{uuid4().hex}"
    prefix = f"migrated-{uuid4().hex[:8]}"
    variables = {
        "STENOLOG_DATABASE_URL": await postgres.create_database(name),
        "STENOLOG_KAFKA_BOOTSTRAP": kafka,
        "STENOLOG_TOPIC_PREFIX": prefix,
        "PYTHONPATH": str(ROOT),
    }
    said = []
    for _ in range(2):
        migration = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "migrate"),
            env={**os.environ, **variables},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await migration.communicate()
        assert migration.returncode == 0
        said.append(output.decode().splitlines())
    await postgres.drop_database(name)
    first, second = said
    assert [line.partition(": ")[0] for line in first] == [
        "event log",
        "read models",
        "queue",
        "evidence",
        "personal fields",
        "auditor",
        "Kafka topics",
    ]
    assert first[0].startswith("event log: 001_event_log.sql, 002_")
    assert "read.transcriptions" in first[1]
    assert "public.dispatch_workers" in first[2]
    assert "001_evidence.sql" in first[3]
    assert f"{prefix}.evidence.checkpoints.v1" in first[6]
    assert [line.partition(": ")[2] for line in second] == ["nothing to do"] * 7


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
