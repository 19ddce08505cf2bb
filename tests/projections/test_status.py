"""One event that cannot be folded stops one partition, and `stenolog projections` names it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.log import Address
from infrastructure.processes import with_settings
from projections.models import READ_MODELS
from tests.projections.lives import lived
from tests.projections.running import until, until_reached
from tests.projections.system import System, fresh_system
from tests.projections.unreadable import ERROR, append_unreadable
from tests.stack.servers import Database

NAMES = [f"user {number}" for number in range(12)]
"""Enough to have somebody in every partition."""


@pytest.fixture
async def system(postgres: Database, kafka: str, tmp_path: Path) -> AsyncIterator[System]:
    async with fresh_system(postgres, kafka, tmp_path) as fresh:
        yield fresh


async def status(system: System, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "projections", *arguments),
        env=with_settings(system.settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def lags(system: System) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (await status(system, "--json")).splitlines()]


async def stands_still_at(system: System, address: Address) -> bool:
    tries = await system.pool.fetchval(
        "select tries from projection_failures where partition = $1 and seq = $2",
        *msgspec.structs.astuple(address),
    )
    return tries is not None


async def test_projections_that_never_began_are_told_of(system: System) -> None:
    await lived(system.store, NAMES)
    told = await lags(system)
    assert {each["projection"] for each in told} == set(READ_MODELS)
    assert {each["state"] for each in told} == {"behind"}
    assert all(each["seq"] == 0 and each["lag_events"] == each["head"] > 0 for each in told)


async def test_the_event_that_stops_a_partition_is_named_while_the_others_go_on(system: System) -> None:
    await system.start("relay", "project")
    await lived(system.store, NAMES)
    await until_reached(system.pool, system.log)
    assert {each["state"] for each in await lags(system)} == {"reached"}

    address = await append_unreadable(system.pool, 1)
    await lived(system.store, [f"later {name}" for name in NAMES])
    await until(lambda: stands_still_at(system, address))
    await until_reached(system.pool, system.log, address.partition)

    for each in await lags(system):
        if each["partition"] == address.partition:
            assert (each["state"], each["seq"]) == ("fails", address.seq - 1)
            assert each["lag_events"] == each["head"] - each["seq"] > 1
            assert each["lag_seconds"] > 0
            assert each["failing"]["address"] == str(address)
            assert each["failing"]["error"] == ERROR
        else:
            assert (each["state"], each["failing"]) == ("reached", None)
    table = await status(system)
    assert table.startswith("projection ")
    assert table.count(f"fails    event {address} (UserRegistered): {ERROR}") == len(READ_MODELS)
