"""One and two processes of the API behind their port, on the same log: rates, and what a request costs."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Final

import httpx
import psutil
from msgspec.structs import replace

from benchmarks.http import OURS, Route, Seen, frozen_workers, installation, look_at, routes_of
from benchmarks.http_client import Load
from benchmarks.http_peers import Peer
from benchmarks.http_people import Somebody, arrive
from benchmarks.measure import Measurement, report
from benchmarks.stack import open_folder
from embedded.ports import free_port
from infrastructure.processes import with_settings
from tests.end_to_end.installation import Installation
from tests.media import write_tone

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "3"))
LOOKS: Final = 8
WARM_SECONDS: Final = 0.3
MEASURED: Final = ("GET one", "POST")
START_SECONDS_MAX: Final = 60.0
ONE: Final = "one process"
CAPTION: Final = (
    "two processes behind one port against one, in turns, on the same database, with the workers stopped; 16 people; client, API and PostgreSQL share the "
    f"cores, so what the client and PostgreSQL take is not there for a second process; the middle of {LOOKS} looks"
)


async def main() -> None:
    with open_folder() as folder:
        note = write_tone(folder / "note.wav", seconds=1.0)
        routes = [each for each in routes_of(b"") if each.name in MEASURED]
        async with installation(folder / "ours") as running, AsyncExitStack() as exits:
            people = await arrive(running, note)
            apis = {count: await exits.enter_async_context(_api(running, count)) for count in (1, 2)}
            found = {route.name: await _compared(running, apis, people, route) for route in routes}
    _report(found)


@asynccontextmanager
async def _api(running: Installation, count: int) -> AsyncIterator[Peer]:
    port = free_port()
    secret = running.folder.jwt_secret()
    settings = replace(running.settings, jwt_secret=secret, port=port, api_workers=count)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api", env=with_settings(settings), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _until_ready(port)
        yield Peer(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(port: int) -> None:
    async with asyncio.timeout(START_SECONDS_MAX), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def _compared(
    running: Installation, apis: Mapping[int, Peer], people: Sequence[Somebody], route: Route
) -> Mapping[int, Seen]:
    looks: dict[int, list[Load]] = {count: [] for count in apis}
    costs: dict[int, list[float]] = {count: [] for count in apis}
    with frozen_workers(running, stopped=True):
        for number in range(LOOKS + 1):
            for count, api in apis.items():
                seconds = SECONDS / LOOKS if number else WARM_SECONDS
                look, cost_us = await look_at(api, OURS, people, route, seconds)
                if number:  # The first of each warms up.
                    looks[count].append(look)
                    costs[count].append(cost_us)
    return {count: Seen(looks[count], costs[count]) for count in apis}


def _report(found: Mapping[str, Mapping[int, Seen]]) -> None:
    lines = [_line(name, "requests/s", by[2].rate, by[1].rate) for name, by in found.items()]
    report("api_workers", CAPTION, lines)
    costs = [
        _line(name, "µs of processor time", median(by[2].cost_us), median(by[1].cost_us))
        for name, by in found.items()
    ]
    late = [_line(f"{name} p99", "ms", _p99_ms(by[2]), _p99_ms(by[1])) for name, by in found.items()]
    report("api_workers_cost", "for each request, and from it to the end of its answer", costs + late)


def _p99_ms(seen: Seen) -> float:
    return median(each.p99_ms for each in seen.looks)


def _line(situation: str, unit: str, two: float, one: float) -> Measurement:
    return Measurement(situation=situation, unit=unit, ours=two, peers={ONE: one})
