"""Children end when told, when they are deaf, and when their parent is killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from embedded.processes import last_words, run, start
from tests.embedded.tiny import FOREVER, STUBBORN, python
from tests.stack.waiting import eventually

PARENT = """
import asyncio, sys
from pathlib import Path
from embedded.processes import start
from tests.embedded.tiny import FOREVER, python

async def main():
    child = await start(python(FOREVER, Path(sys.argv[1]) / "child.log"))
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""


async def test_a_child_that_is_asked_to_end_ends(tmp_path: Path) -> None:
    child = await start(python(FOREVER, tmp_path / "log"))
    await child.stop()
    assert child.ended
    assert not psutil.pid_exists(child.pid)


async def test_a_deaf_child_is_killed_after_its_deadline(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = await start(python(STUBBORN, log, stop_seconds=0.1))
    await eventually(lambda: b"deaf" in log.read_bytes(), "it ignores the signal")
    await child.stop()
    assert await child.wait() == -signal.SIGKILL


async def test_what_a_child_leaves_in_its_group_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid, flush=True)"
    child = await start(python(code, log))
    await child.wait()
    orphan = int(log.read_text())
    assert psutil.pid_exists(orphan)
    await child.stop()
    await eventually(lambda: not _runs(orphan), "the orphan ends")


async def test_a_child_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert _runs(child)
    parent.kill()
    await parent.communicate()
    await eventually(lambda: not _runs(child), "the child ends")


async def test_output_and_errors_go_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    code = await run(python("import sys\nprint('said')\nsys.exit('failed')", log), deadline_seconds=20)
    assert (code, log.read_text().split()) == (1, ["failed", "said"])


async def test_a_program_that_is_not_there_is_named_in_the_log(tmp_path: Path) -> None:
    command = python("", tmp_path / "log")
    missing = type(command)(arguments=["/nowhere/at-all"], environment={}, log=command.log)
    assert await run(missing, deadline_seconds=20) == 1
    assert "cannot run /nowhere/at-all: No such file" in command.log.read_text()


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


PYTHON_TRACE = """
2026-11-25 10:00:00 INFO relay.relay relay of partition 1 goes on
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    1 / 0
    ~~^~~
ZeroDivisionError: division by zero
"""
JAVA_TRACE = """
[2026-11-25 10:00:00] INFO starting (kafka.Kafka$)
org.apache.kafka.common.KafkaException: Socket server failed to bind to 127.0.0.1:9092
\tat kafka.network.Acceptor.openServerSocket(SocketServer.scala:1)
Caused by: java.net.BindException: Address already in use
\tat java.base/sun.nio.ch.Net.bind0(Native Method)
\t... 12 more
"""
POSTGRES = """
2026-11-25 LOG:  starting PostgreSQL 18
2026-11-25 FATAL:  could not create any TCP/IP sockets
2026-11-25 LOG:  database system is shut down
"""
WRONG_SETTING = "STENOLOG_OBJECT_STORE: begin it with file:// or s3://\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PYTHON_TRACE, "ZeroDivisionError: division by zero"),
        (JAVA_TRACE, "Caused by: java.net.BindException: Address already in use"),
        (POSTGRES, "2026-11-25 FATAL:  could not create any TCP/IP sockets"),
        (PYTHON_TRACE + WRONG_SETTING, WRONG_SETTING.strip()),
        ("", ""),
    ],
    ids=["python", "java", "postgres", "setting", "nothing"],
)
def test_the_last_words_of_a_program_are_one_line_and_no_trace(
    tmp_path: Path, content: str, expected: str
) -> None:
    log = tmp_path / "x.log"
    log.write_text(content)
    assert last_words(log) == expected
    assert last_words(tmp_path / "absent.log") == ""
