"""What a killed predecessor left is ended; what merely has its number is not."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest

from embedded.leftovers import ProcessRecord, Recorded, end_leftover
from tests.embedded.tiny import FOREVER
from tests.stack.waiting import eventually


@pytest.fixture
async def stray() -> AsyncIterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", FOREVER], start_new_session=True) as process:
        # Popen returns in the middle of the exec, when Linux shows no command line yet.
        await eventually(
            lambda: FOREVER in psutil.Process(process.pid).cmdline(), "it has its command line"
        )
        yield process
        process.kill()


async def test_recorded_processes_that_still_run_are_ended(
    tmp_path: Path, stray: subprocess.Popen[bytes]
) -> None:
    ProcessRecord(tmp_path / "processes.json").started("api", stray.pid)
    assert await ProcessRecord(tmp_path / "processes.json").end_leftovers() == ["api"]
    assert not psutil.pid_exists(stray.pid)
    assert not (tmp_path / "processes.json").exists()


async def test_a_stranger_with_the_same_number_is_left_alone(
    tmp_path: Path, stray: subprocess.Popen[bytes]
) -> None:
    long_ago = {"api": Recorded(stray.pid, psutil.Process(stray.pid).create_time() - 3600)}
    (tmp_path / "processes.json").write_bytes(msgspec.json.encode(long_ago))
    assert await ProcessRecord(tmp_path / "processes.json").end_leftovers() == []
    assert stray.poll() is None


async def test_a_process_that_ends_while_its_children_are_looked_for_is_no_problem(
    tmp_path: Path, stray: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_for_children = psutil.Process.children

    def ends_first(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
        stray.kill()
        stray.wait()
        return look_for_children(process, recursive)

    ProcessRecord(tmp_path / "processes.json").started("api", stray.pid)
    monkeypatch.setattr(psutil.Process, "children", ends_first)
    assert await ProcessRecord(tmp_path / "processes.json").end_leftovers() == []
    assert not (tmp_path / "processes.json").exists()


async def test_what_a_dead_leader_left_in_its_group_is_ended(tmp_path: Path) -> None:
    code = f"import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid, flush=True)\n"
    leader = subprocess.Popen(
        [sys.executable, "-c", code + FOREVER], stdout=subprocess.PIPE, start_new_session=True
    )
    assert leader.stdout is not None
    with leader.stdout as output:
        orphan = psutil.Process(int(output.readline()))
    ProcessRecord(tmp_path / "processes.json").started("work", leader.pid)
    leader.kill()
    leader.wait()
    assert await ProcessRecord(tmp_path / "processes.json").end_leftovers() == ["work"]
    await eventually(
        lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE, "the orphan ends"
    )


async def test_a_process_is_ended_only_if_its_command_line_says_it_is_the_one(
    stray: subprocess.Popen[bytes],
) -> None:
    await end_leftover(stray.pid, "/some/other/cluster")
    assert stray.poll() is None
    await end_leftover(stray.pid, FOREVER)
    assert not psutil.pid_exists(stray.pid)
