"""The supervisor restarts what dies, gives up on what cannot work, and leaves nothing behind."""

import asyncio
from pathlib import Path

import pytest

from embedded.leftovers import ProcessRecord
from embedded.servers import Misconfigured
from embedded.supervisor import supervised
from tests.embedded.tiny import Tiny
from tests.stack.waiting import eventually


async def test_a_child_that_dies_is_started_again_and_that_is_said_in_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    server = Tiny("tiny", tmp_path)
    async with supervised(ProcessRecord(tmp_path / "processes.json"), said.append) as supervisor:
        await supervisor.start(server)
        first = server.pid
        server.kill()
        await eventually(lambda: server.pid not in {None, first}, "a successor runs")
    assert server.starts == 2
    assert [line for line in said if "ended" in line] == [
        f"tiny ended with code -9 (see {tmp_path / 'tiny.log'}): without a word; starting it again in 0.2 s"
    ]


async def test_everything_has_ended_when_the_context_is_left(tmp_path: Path) -> None:
    servers = [Tiny(name, tmp_path) for name in ("first", "second")]
    async with supervised(ProcessRecord(tmp_path / "processes.json"), lambda _: None) as supervisor:
        for server in servers:
            await supervisor.start(server)
        assert all(server.pid for server in servers)
    assert [server.pid for server in servers] == [None, None]
    assert list(tmp_path.glob("*.json")) == []


async def test_servers_stop_in_the_reverse_of_the_order_in_which_they_started(tmp_path: Path) -> None:
    order: list[str] = []

    class Remembering(Tiny):
        async def stop(self) -> None:
            order.append(self.name)
            await super().stop()

    async with supervised(ProcessRecord(tmp_path / "processes.json"), lambda _: None) as supervisor:
        for name in ("database", "broker", "api"):
            await supervisor.start(Remembering(name, tmp_path))
    assert order == ["api", "broker", "database"]


async def test_servers_that_no_other_needs_stop_together_and_before_all_others(tmp_path: Path) -> None:
    order: list[str] = []
    together = asyncio.Barrier(3)

    class Process(Tiny):
        others_need_it = False

        async def stop(self) -> None:
            """Gets on only when all are being stopped."""
            async with asyncio.timeout(10):
                await together.wait()
            order.append("process")
            await super().stop()

        def kill(self) -> None:
            order.append("killed")

    class Needed(Tiny):
        async def stop(self) -> None:
            order.append(self.name)
            await super().stop()

    async with supervised(ProcessRecord(tmp_path / "processes.json"), lambda _: None) as supervisor:
        await supervisor.start(Needed("database", tmp_path))
        for name in ("relay", "work"):
            await supervisor.start(Process(name, tmp_path))
        await supervisor.start(Needed("broker", tmp_path))
        await supervisor.start(Process("api", tmp_path))
    assert order[:3] == ["process"] * 3
    assert [name for name in order if name in {"database", "broker"}] == ["broker", "database"]


async def test_a_failure_in_the_body_stops_everything_too(tmp_path: Path) -> None:
    server = Tiny("tiny", tmp_path)

    async def fail() -> None:
        async with supervised(ProcessRecord(tmp_path / "processes.json"), lambda _: None) as supervisor:
            await supervisor.start(server)
            raise ValueError("a bug")

    with pytest.RaisesGroup(ValueError):
        await fail()
    assert server.pid is None
    assert list(tmp_path.glob("*.json")) == []


async def test_a_process_that_cannot_use_its_settings_is_not_started_again(tmp_path: Path) -> None:
    broken = Tiny("broken", tmp_path, "import sys\nprint('STENOLOG_PORT: no number')\nsys.exit(2)")
    other = Tiny("other", tmp_path)
    with pytest.RaisesGroup(pytest.RaisesExc(Misconfigured, match="STENOLOG_PORT: no number")):
        async with supervised(ProcessRecord(tmp_path / "processes.json"), lambda _: None) as supervisor:
            await supervisor.start(other)
            await supervisor.start(broken)
            await eventually(lambda: False, "the supervisor interrupts this")
    assert (broken.starts, other.pid) == (1, None)
