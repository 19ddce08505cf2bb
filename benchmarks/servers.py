"""The API's HTTP server against uvicorn as it comes, granian and hypercorn: requests per second, and what idle clients cost each."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any, Final

import psutil
from litestar import Litestar, get
from msgspec import Struct

from api.server import Server, raise_descriptor_limit
from benchmarks.measure import Measurement, Target, report
from infrastructure.settings import Settings

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "2.8"))
CLIENTS: Final = 64
SILENT: Final = 3_000
LOOKS: Final = 7
HOLD_SECONDS: Final = 12.0
"""How long silent connections are held before they are counted: above our deadline for a head."""
START_SECONDS_MAX: Final = 30.0
CONNECT_SECONDS_MAX: Final = 2.0
REQUEST: Final = b"GET / HTTP/1.1\r\nHost: stenolog\r\n\r\n"
BODY: Final = b'{"message":"hello"}'

CAPTION: Final = (
    "One process each, the same Litestar application, 64 clients that ask again as soon as they have their answer; client and "
    "server share the cores. Then the same beside 3,000 connections from the same source that send nothing, and how many of these are open after 12 s."
)


@get("/", sync_to_thread=False)
def hello() -> dict[str, str]:
    return {"message": "hello"}


app = Litestar([hello], openapi_config=None, logging_config=None)


class Seen(Struct, frozen=True, kw_only=True):
    """Of one server."""

    requests_per_second: float
    beside_silence: float
    silent_open: float
    memory_mib: float


def _command(name: str, port: int) -> list[str]:
    address, target = f"127.0.0.1:{port}", "benchmarks.servers:app"
    module = [sys.executable, "-m"]
    return {
        "ours": [*module, "benchmarks.servers", str(port)],
        "uvicorn": [*module, "uvicorn", "--port", str(port), "--http", "httptools", "--loop", "uvloop", "--no-access-log", target],
        "granian": [*module, "granian", "--interface", "asgi", "--loop", "uvloop", "--port", str(port), "--no-access-log", target],
        "hypercorn": [*module, "hypercorn", "--worker-class", "uvloop", "--bind", address, target],
    }[name]  # fmt: skip


NAMES: Final = ("ours", "uvicorn", "granian", "hypercorn")


async def main() -> None:
    raise_descriptor_limit()
    async with AsyncExitStack() as exits:
        ports = {}
        processes = {}
        for name in NAMES:
            ports[name], processes[name] = await exits.enter_async_context(_serving(name))
        alone = await _rates(ports)
        silent = {name: await _silence(port) for name, port in ports.items()}
        beside = await _rates(ports)
        await asyncio.sleep(HOLD_SECONDS)
        seen = {
            name: Seen(
                requests_per_second=alone[name],
                beside_silence=beside[name],
                silent_open=sum(map(_is_open, silent[name])),
                memory_mib=_memory_mib(processes[name]),
            )
            for name in NAMES
        }
        for each in (each for of_one in silent.values() for each in of_one):
            each.close()
    report("servers", CAPTION, _measurements(seen))


async def _rates(ports: Mapping[str, int]) -> dict[str, float]:
    """Of each, the middle of some short looks, taken in turns: what else the machine does hits all alike."""
    looks: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(LOOKS):
        for name, port in ports.items():
            looks[name].append(await _rate(port, SECONDS / LOOKS))
    return {name: median(of_one) for name, of_one in looks.items()}


def _memory_mib(process: psutil.Process) -> float:
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / (1 << 20)


def _measurements(seen: Mapping[str, Seen]) -> list[Measurement]:
    def line(situation: str, unit: str, of: Callable[[Seen], float], *targets: Target) -> Measurement:
        peers = {name: of(each) for name, each in seen.items() if name != "ours"}
        return Measurement(
            situation=situation, unit=unit, ours=of(seen["ours"]), peers=peers, targets=targets
        )

    bounded = Target(peer="uvicorn", ratio=0.85)
    return [
        line("requests/s", "requests/s", lambda each: each.requests_per_second, bounded),
        line("beside silence", "requests/s", lambda each: each.beside_silence),
        line("silent, open", "connections", lambda each: each.silent_open),
        line("memory, MiB", "MiB", lambda each: each.memory_mib),
    ]


@asynccontextmanager
async def _serving(name: str) -> AsyncIterator[tuple[int, psutil.Process]]:
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        *_command(name, port), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _until_answering(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _until_answering(port: int) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _rate(port: int, seconds: float) -> float:
    """Requests answered in a second by all clients together."""
    clients = list(filter(None, await asyncio.gather(*(_client(port) for _ in range(CLIENTS)))))
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    answered = sum(client.answered for client in clients)
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return answered / took


async def _client(port: int) -> "Client | None":
    """None where the server takes no connection in time."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            return (await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port))[1]
    except OSError:
        return None


class Client(asyncio.Protocol):
    """Asks again as soon as it has its answer, until it is cut off."""

    def __init__(self) -> None:
        self.answered = 0
        self._said = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._said += data
        if self._said.endswith(BODY):
            self._said = b""
            self.answered += 1
            if self._transport is not None:
                self._transport.write(REQUEST)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


async def _silence(port: int) -> list[socket.socket]:
    """As many connections as the server takes, up to SILENT."""
    silent: list[socket.socket] = []
    for _ in range(SILENT):
        each = socket.socket()
        each.setblocking(False)
        silent.append(each)
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await asyncio.get_running_loop().sock_connect(each, ("127.0.0.1", port))
        except OSError:
            break
    return silent


def _is_open(each: socket.socket) -> bool:
    try:
        return each.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    import uvloop

    uvloop.run(Server(app, Settings(port=int(sys.argv[1]))).serve())
