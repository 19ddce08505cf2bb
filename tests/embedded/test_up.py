"""`stenolog up` as a whole: ready, stopped, killed, and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from embedded.stack_folder import StackFolder
from infrastructure.processes import PROCESSES, ROOT
from tests.stack.waiting import eventually

START_SECONDS = 100.0


class Up:
    """A running `stenolog up`; what it prints lies beside its folder."""

    def __init__(self, folder: StackFolder) -> None:
        self.folder = folder
        self._output = folder.path.with_suffix(".out")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cli",
                    "up",
                    "--port",
                    "0",
                    "--data",
                    str(folder.path),
                ],
                env={**os.environ, "PYTHONPATH": str(ROOT), "STENOLOG_ENGINE": "scripted"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def is_ready(self) -> None:
        await eventually(
            lambda: "\nready http" in self._said() or self._ended(), "it is ready", START_SECONDS
        )
        assert not self._ended(), self._said()

    def family(self) -> list[psutil.Process]:
        """Everything it started, at this moment."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def _said(self) -> str:
        return self._output.read_text()

    def _ended(self) -> bool:
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


@pytest.mark.timeout(300)
async def test_a_killed_up_leaves_no_process_and_the_next_one_works(
    folder: StackFolder, started: list[Up]
) -> None:
    first = Up(folder)
    started.append(first)
    await first.is_ready()
    family = first.family()
    assert len(family) >= len(PROCESSES) + 2

    first.process.kill()
    first.process.wait()
    await eventually(lambda: not any(_runs(member) for member in family), "everything has ended")

    second = Up(folder)
    started.append(second)
    await second.is_ready()
    async with httpx.AsyncClient(base_url=folder.addresses().api_url) as client:
        for health in ("ready", "system"):
            assert (await client.get(f"/v1/health/{health}")).status_code == 200


@pytest.mark.timeout(300)
async def test_up_that_is_told_to_stop_ends_well_and_leaves_nothing(
    folder: StackFolder, started: list[Up]
) -> None:
    up = Up(folder)
    started.append(up)
    await up.is_ready()
    family = up.family()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert not any(_runs(member) for member in family)
    assert list(folder.path.glob("*.json")) == []


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


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
