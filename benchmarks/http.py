"""The HTTP API against the guide's design, FastAPI, and Litestar on our server with less or nothing to do: rates, latencies, cost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlsplit

import psutil
from msgspec import Struct

from benchmarks.http_client import Load, load, request
from benchmarks.http_peers import (
    BARE,
    FASTAPI,
    GUIDE,
    HANDLER,
    SETTINGS,
    Peer,
    create_database,
    provide_environment,
    serving,
)
from benchmarks.http_people import MINUTES, Somebody, arrive, fill
from benchmarks.measure import Measurement, Target, report
from benchmarks.processor_time import of_tree
from benchmarks.stack import open_folder
from domain.transcription import transcription_id_of
from tests.end_to_end.installation import Installation, start, stop
from tests.media import RATE, write_tone

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "1.5"))
LOOKS: Final = 3
WARM_SECONDS: Final = 0.3
SECRET: Final = "a secret of the peers, of more than 32 characters"
OURS: Final = "ours"
RUNNING: Final = "all running"
STOPPED: Final = "workers stopped"
STOPPABLE: Final = ("work", "dispatch")
UPLOAD_BYTES: Final = 1 << 20
BOUNDARY: Final = "stenolog-benchmark"

CAPTION: Final = (
    f"16 people, each on a connection that asks again at once; client, servers and PostgreSQL share the cores; the middle of {LOOKS} looks, in turns. "
    'Ours: one API process as `stenolog up` runs it. "all running": it transcribes meanwhile what was requested; the peers have '
    "no queue, no broker and no worker. While they are asked ours is not, but finishes what was requested of it. " + "; ".join(f"{name}: {text}" for name, text in SETTINGS.items())
)  # fmt: skip

Requests = Callable[[str, Somebody], Iterator[bytes]]
"""Of one person to one contestant."""


class Route(Struct, frozen=True, kw_only=True):
    name: str
    status: int
    requests: Requests
    peers: Sequence[str]
    targets: Mapping[str, tuple[Target, ...]] = {}
    """By situation."""


class Seen(Struct, frozen=True):
    """The looks at one contestant; `cost_us` is the server's processor time for a request."""

    looks: list[Load]
    cost_us: list[float]

    @property
    def rate(self) -> float:
        return median(each.rate for each in self.looks)


Contestants = Mapping[str, Peer]
Table = Mapping[tuple[str, str], Mapping[str, Seen]]
"""By situation and route, then by contestant."""


async def main() -> None:
    python = await provide_environment()
    with open_folder() as folder:
        async with installation(folder / "ours") as running, AsyncExitStack() as exits:
            people = await arrive(running, write_tone(folder / "note.wav", seconds=4.0))
            contestants = await _contestants(running, people, python, folder, exits)
            routes = routes_of(
                write_tone(folder / "upload.wav", seconds=UPLOAD_BYTES / 2 / RATE).read_bytes()
            )
            table = {
                (situation, route.name): await _looks(running, contestants, people, route, situation)
                for situation in (RUNNING, STOPPED)
                for route in routes
            }
        _report(routes, table)


@asynccontextmanager
async def installation(folder: Path) -> AsyncIterator[Installation]:
    running = await start(folder, engine="scripted", free_minutes=MINUTES, uploads_per_user=16)
    try:
        yield running
    finally:
        await stop(running)


async def _contestants(
    running: Installation, people: Sequence[Somebody], python: Path, folder: Path, exits: AsyncExitStack
) -> Contestants:
    found = {OURS: Peer(urlsplit(running.url).port or 0, psutil.Process(running.processes()["api"].pid))}
    urls = {
        name: await create_database(running.addresses.database_url, f"peer_{name}")
        for name in (GUIDE, FASTAPI)
    }
    for url in urls.values():
        await fill(url, people)
    for name in (GUIDE, FASTAPI, HANDLER, BARE):
        url = urls.get(name, urls[GUIDE])
        found[name] = await exits.enter_async_context(serving(name, python, url, SECRET, folder))
    return found


def routes_of(recording: bytes) -> list[Route]:
    everybody = (GUIDE, FASTAPI, HANDLER, BARE)
    reads = {STOPPED: (Target(peer=BARE, ratio=0.5), Target(peer=GUIDE, ratio=4))}
    asked = {STOPPED: (Target(peer=GUIDE, ratio=3),), RUNNING: (Target(peer=GUIDE, ratio=1),)}
    return [
        Route(name="POST", status=202, requests=_askers(), peers=(GUIDE, FASTAPI), targets=asked),
        Route(name="GET one", status=200, requests=_get(_path_of_one), peers=everybody, targets=reads),
        Route(
            name="GET list",
            status=200,
            requests=_get(lambda _: "/v1/transcriptions"),
            peers=everybody,
            targets=reads,
        ),
        Route(
            name="GET quota",
            status=200,
            requests=_get(lambda _: "/v1/user/quota"),
            peers=everybody,
            targets=reads,
        ),
        Route(name="upload", status=201, requests=_uploads(recording), peers=(GUIDE, FASTAPI)),
    ]


def _path_of_one(somebody: Somebody) -> str:
    return f"/v1/transcriptions/{transcription_id_of(somebody.listed[0])}"


def _token(contestant: str, somebody: Somebody) -> str:
    return somebody.token if contestant == OURS else somebody.peers_token(SECRET)


def _get(path: Callable[[Somebody], str]) -> Requests:
    return lambda contestant, somebody: repeat(request("GET", path(somebody), _token(contestant, somebody)))


def _askers() -> Requests:
    """Each recording is asked for once of each contestant, whichever look it is."""
    under_way: dict[tuple[str, str], Iterator[bytes]] = {}

    def requests(contestant: str, somebody: Somebody) -> Iterator[bytes]:
        token = _token(contestant, somebody)
        bodies = (f'{{"file_id":"{file_id}"}}'.encode() for file_id in somebody.askable)
        all_of_them = (
            request("POST", "/v1/transcriptions", token, "application/json", body) for body in bodies
        )
        return under_way.setdefault((contestant, str(somebody.user_id)), all_of_them)

    return requests


def _uploads(recording: bytes) -> Requests:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="note.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    body = head.encode() + recording + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return lambda contestant, somebody: repeat(
        request("POST", "/v1/files/upload", _token(contestant, somebody), kind, body)
    )


async def _looks(
    running: Installation,
    contestants: Contestants,
    people: Sequence[Somebody],
    route: Route,
    situation: str,
) -> Mapping[str, Seen]:
    names = (OURS, *route.peers)
    seen = {name: Seen([], []) for name in names}
    for number in range(LOOKS + 1):
        for name in names:
            with frozen_workers(running, stopped=situation == STOPPED or name != OURS):
                seconds = SECONDS / LOOKS if number else WARM_SECONDS
                look, cost_us = await look_at(contestants[name], name, people, route, seconds)
            if number:  # The first of each warms up.
                seen[name].looks.append(look)
                seen[name].cost_us.append(cost_us)
    return seen


async def look_at(
    peer: Peer, name: str, people: Sequence[Somebody], route: Route, seconds: float
) -> tuple[Load, float]:
    before = of_tree(peer.process)
    look = await load(peer.port, [route.requests(name, each) for each in people], route.status, seconds)
    return look, 1e6 * (of_tree(peer.process) - before) / len(look.latencies)


@contextmanager
def frozen_workers(running: Installation, *, stopped: bool) -> Iterator[None]:
    """The workers and who gives them work do nothing meanwhile."""
    frozen: list[psutil.Process] = []
    try:
        for name in STOPPABLE if stopped else ():
            frozen += _stopped(psutil.Process(running.processes()[name].pid))
        yield
    finally:
        for each in frozen:
            _tell(each, signal.SIGCONT)


def _stopped(process: psutil.Process) -> list[psutil.Process]:
    """It and all that descend from it, each before its own children, so that none is born meanwhile."""
    _tell(process, signal.SIGSTOP)
    with suppress(psutil.NoSuchProcess):
        return [process, *(each for child in process.children() for each in _stopped(child))]
    return []


def _tell(process: psutil.Process, what: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):  # A decoder that has ended just now.
        process.send_signal(what)


def _report(routes: Sequence[Route], table: Table) -> None:
    reads = [route for route in routes if BARE in route.peers]
    writes = [route for route in routes if BARE not in route.peers]
    for name, some in (("http", reads), ("http_writes", writes)):
        report(name, CAPTION, _lines(some, table, "requests/s", lambda seen: seen.rate, with_targets=True))
        cost = "µs of the server's processor time"
        report(
            f"{name}_cost", "for each request", _lines(some, table, cost, lambda seen: median(seen.cost_us))
        )
        late = _lines(some, table, "ms", lambda seen: median(each.p50_ms for each in seen.looks), "p50")
        late += _lines(some, table, "ms", lambda seen: median(each.p99_ms for each in seen.looks), "p99")
        report(f"{name}_latency", "from the request to the end of its answer, with 16 people at once", late)


def _lines(
    routes: Sequence[Route],
    table: Table,
    unit: str,
    of: Callable[[Seen], float],
    suffix: str = "",
    *,
    with_targets: bool = False,
) -> list[Measurement]:
    return [
        Measurement(
            situation=" ".join(filter(None, (f"{route.name}, {situation}", suffix))),
            unit=unit,
            ours=of(seen[OURS]),
            peers={name: of(seen[name]) for name in route.peers},
            targets=route.targets.get(situation, ()) if with_targets else (),
        )
        for situation in (STOPPED, RUNNING)
        for route in routes
        for seen in [table[situation, route.name]]
    ]


if __name__ == "__main__":
    asyncio.run(main())
