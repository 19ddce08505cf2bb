"""A worker whose disk is full hands the job back, says so in one line, and takes none for a while."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from domain.attempts import ATTEMPTS_MAX, HANDED_BACK, WORKER_DISK_FULL, failures_after
from tests.stack.small_disk import may_mount, on_a_small_disk

ENDS_SECONDS_MAX = 60.0


@pytest.mark.skipif(not may_mount(), reason="this account may not mount a small disk")
async def test_a_recording_that_does_not_fit_is_handed_back_and_the_worker_takes_none_until_it_tries_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "scratch").mkdir()
    process = await asyncio.create_subprocess_exec(
        *on_a_small_disk(tmp_path / "scratch"),
        *(sys.executable, "-m", "tests.inference_worker.on_a_small_disk", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(ENDS_SECONDS_MAX):
        said, logged = await process.communicate()
    assert process.returncode == 0, logged.decode()
    reports = [json.loads(line) for line in said.splitlines()]
    (faulted,) = [each for each in reports if each["type"] == "AttemptFaulted"]
    assert (faulted["reason"], faulted["permanent"]) == (WORKER_DISK_FULL, False)
    slots = [each["slots"] for each in reports if each["type"] == "WorkerReady"]
    assert slots[0] == slots[-1] == 1
    assert slots.count(0) > 3
    assert reports[-1] == {"type": "left", "names": []}
    lines = [line for line in logged.decode().splitlines() if "disk is full" in line]
    assert len(lines) == 1
    assert "make room there, or let TMPDIR name a larger disk" in lines[0]
    assert "no new job is taken for 5 s" in lines[0]
    assert b"Traceback" not in logged


def test_a_full_disk_is_no_failed_attempt() -> None:
    assert WORKER_DISK_FULL in HANDED_BACK
    assert failures_after(ATTEMPTS_MAX - 1, WORKER_DISK_FULL) == ATTEMPTS_MAX - 1
