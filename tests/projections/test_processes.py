"""Real projector processes behind a real relay: killed, frozen and shared, their tables are the fold of the log."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.log import LogRecord
from infrastructure.processes import with_settings
from tests.keys import stored_keys
from tests.projections.lives import lived
from tests.projections.running import contents, until, until_reached
from tests.projections.system import PARTITION_COUNT, System, fresh_system
from tests.projections.telling import told
from tests.stack.servers import Database
from tests.stack.waiting import END_SECONDS

LIVES_MIN = 30


@pytest.fixture
async def system(postgres: Database, kafka: str, tmp_path: Path) -> AsyncIterator[System]:
    async with fresh_system(postgres, kafka, tmp_path) as fresh:
        yield fresh


@asynccontextmanager
async def living(system: System) -> AsyncIterator[None]:
    """People come and go until the end of the block."""
    over = asyncio.Event()

    async def live() -> None:
        number = 0
        while not over.is_set() or number < LIVES_MIN:
            await lived(system.store, [f"user {number}"])
            number += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield
        over.set()


async def records_of(system: System) -> list[LogRecord]:
    return [
        record
        for partition in range(PARTITION_COUNT)
        for record in await system.log.read(partition, 0, 10**6)
    ]


async def assert_the_tables_are_the_fold_of_the_log(system: System) -> None:
    await until_reached(system.pool, system.log)
    keys = await stored_keys(system.pool, system.settings)
    assert await contents(system.pool) == told(await records_of(system), keys)


async def until_reached_now(system: System) -> None:
    """Until what is in the log at this moment is in the tables."""
    await until_reached(system.pool, system.log)


async def holders(system: System) -> int:
    count: int = await system.pool.fetchval(
        "select count(distinct owner_id) from leases where role = 'project' and expires_at > now()"
    )
    return count


@pytest.mark.slow
async def test_projectors_that_are_killed_leave_the_fold_of_the_log(system: System) -> None:
    await system.start("relay")
    first, second = await system.start("project", "project")
    async with living(system):
        await until_reached_now(system)
        for process in (first, second, first):
            process.kill()
            await process.wait()
            await until_reached_now(system)
            await process.start()
    await assert_the_tables_are_the_fold_of_the_log(system)


@pytest.mark.slow
async def test_a_projector_that_was_frozen_and_thaws_repeats_nothing(system: System) -> None:
    await system.start("relay")
    frozen, _other = await system.start("project", "project")

    async def is_shared() -> bool:
        return await holders(system) == 2

    async with living(system):
        await until(is_shared)
        for _ in range(2):
            assert frozen.pid is not None
            os.kill(frozen.pid, signal.SIGSTOP)
            await until_reached_now(system)
            os.kill(frozen.pid, signal.SIGCONT)
            await until_reached_now(system)
    await assert_the_tables_are_the_fold_of_the_log(system)


async def test_the_rebuild_command_works_beside_a_live_projector(system: System) -> None:
    await system.start("relay", "project")
    async with living(system):
        await until_reached_now(system)
        code, said = await command(system, "rebuild", "all")
    assert code == 0, said
    assert [line.split(":")[0] for line in said.splitlines() if "switched" in line] == [
        "users",
        "quota",
        "files",
        "transcriptions",
        "spoken",
    ]
    await assert_the_tables_are_the_fold_of_the_log(system)


async def test_a_projector_that_is_told_to_end_does_so_and_leaves_its_partitions_to_others(
    system: System,
) -> None:
    await system.start("relay")
    [process] = await system.start("project")
    await lived(system.store, ["anna"])
    await until_reached_now(system)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    async with asyncio.timeout(END_SECONDS):
        assert await process.wait() == 0
    assert await holders(system) == 0


async def test_without_tables_a_projector_says_what_to_do(system: System) -> None:
    await system.pool.execute("drop schema read cascade")
    code, said = await command(system, "run")
    assert code == 1
    assert said.splitlines()[-1].endswith("run `stenolog migrate`")


async def command(system: System, *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of `python -m projections`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "projections",
        *arguments,
        env=with_settings(system.settings),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
