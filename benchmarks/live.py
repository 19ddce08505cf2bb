"""What listeners cost: memory for each, and processor time for each change; the database is a table in memory."""

import asyncio
import gc
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast
from uuid import UUID

import psutil

from api.crowd import Limits
from api.live import Live
from api.live_limits import LiveLimits
from api.live_position import BEGINNING
from api.live_streams import LiveStream
from api.parts import Parts
from api.server import Application, Server, raise_descriptor_limit
from benchmarks.measure import Measurement, Target, report
from projections.transcriptions import TranscriptionView
from tests.api.listening import Objects, World, live_over, queued
from tests.api.wire import listening, port_of
from tests.builders import ANNA

LISTENERS: Final = 1_000
FEW: Final = 10
CHANGES: Final = 1_000
TOLD_TO_ALL: Final = 40
PAUSE_SECONDS: Final = 0.25
"""Between changes that all are told of, so that each of them is told."""
SECONDS_MAX: Final = 30.0
RATIO_MAX: Final = 1.5
KIBIBYTES_MAX: Final = 40.0
LIMITS: Final = LiveLimits(
    pace_seconds=0.0, listeners=2 * LISTENERS, listeners_per_user=2 * LISTENERS, heartbeat_seconds=600
)
FEW_LISTEN: Final = f"{FEW} listen"
SILENT: Final = "silent"
CAPTIONS: Final = {
    "live_memory": "of an API process for each connection that listens, and for each that has been answered and is silent",
    "live_change": "processor time for a change to a transcription, while connections listen each to another one; without the database",
    "live_told": f"processor time for telling a change to each of {LISTENERS} who listen to the same",
}


async def main() -> None:
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory() as folder:
        objects = Objects(Path(folder))
        await objects.prepare()
        measured = await _measured(World(objects))
    for name, measurement in measured.items():
        report(name, CAPTIONS[name], [measurement])


async def _measured(world: World) -> Mapping[str, Measurement]:
    async with live_over(world, LIMITS) as live:
        with world.heard_by(live):
            async with listening(
                _application(live), Limits(connections_per_source=4 * LISTENERS)
            ) as server:
                views = [world.has(queued()) for _ in range(LISTENERS)]
                silent, memory = await _kibibytes_each(server, views)
                few = await _change_microseconds(world, live, server, views[:FEW])
                many = await _change_microseconds(world, live, server, views)
                told = await _told_microseconds(world, server, views[0])
    limit = Target(peer=FEW_LISTEN, ratio=RATIO_MAX, at_most=True)
    return {
        "live_memory": _measurement("a listener", "KiB", memory, {SILENT: silent}, at_most=KIBIBYTES_MAX),
        "live_change": _measurement(f"{LISTENERS} listen to others", "µs", many, {FEW_LISTEN: few}, limit),
        "live_told": _measurement("one of those who listen", "µs", told, {}),
    }


def _measurement(
    situation: str,
    unit: str,
    ours: float,
    peers: dict[str, float],
    *targets: Target,
    at_most: float | None = None,
) -> Measurement:
    return Measurement(
        situation=situation, unit=unit, ours=ours, peers=peers, targets=targets, at_most=at_most
    )


async def _kibibytes_each(server: Server, views: Sequence[TranscriptionView]) -> tuple[float, float]:
    """The ones stay while the others come, so that no memory is used twice."""
    before = _kibibytes()
    async with _ears(server, ["/"] * LISTENERS):
        between = _kibibytes()
        async with _ears(server, [f"/{view.id}" for view in views]):
            return (between - before) / LISTENERS, (_kibibytes() - between) / LISTENERS


async def _change_microseconds(
    world: World, live: Live, server: Server, views: Sequence[TranscriptionView]
) -> float:
    """Of the processor, for a change to a transcription to which one listens who sits in this process."""
    view = world.has(queued())
    async with _ears(server, [f"/{each.id}" for each in views]):
        with live.follow(ANNA, view.id) as following:
            await following.next(SECONDS_MAX)
            began = time.process_time()
            for percentage in range(CHANGES):
                view = world.has(view, progress_percentage=percentage)
                await following.next(SECONDS_MAX)
            return 1e6 * (time.process_time() - began) / CHANGES


async def _told_microseconds(world: World, server: Server, view: TranscriptionView) -> float:
    async with _ears(server, [f"/{view.id}"] * LISTENERS) as ears:
        began = time.process_time()
        for percentage in range(TOLD_TO_ALL):
            view = world.has(view, progress_percentage=percentage)
            await asyncio.sleep(PAUSE_SECONDS)
        seconds = time.process_time() - began
        told = await _told(ears) - LISTENERS  # The first state of each.
    return 1e6 * seconds / told


@asynccontextmanager
async def _ears(server: Server, paths: Sequence[str]) -> AsyncIterator[Process]:
    arguments = "-m", "benchmarks.live_ears", str(port_of(server))
    ears = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE)
    assert ears.stdin is not None
    assert ears.stdout is not None
    ears.stdin.write(" ".join(paths).encode() + b"\n")
    assert await ears.stdout.readline() == b"ready\n"
    try:
        yield ears
    finally:
        ears.kill()
        await ears.wait()


async def _told(ears: Process) -> int:
    assert ears.stdin is not None
    assert ears.stdout is not None
    ears.stdin.write(b"\n")
    return int(await ears.stdout.readline())


def _kibibytes() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1024


def _application(live: Live) -> Application:
    """`/<id>` is the stream of a transcription of Anna's, and `/` is answered at once."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                await send({"type": f"{(await receive())['type']}.complete"})
        elif scope["path"] == "/":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            parts = cast("Parts", SimpleNamespace(live=live))
            stream = LiveStream(parts, ANNA, UUID(scope["path"].strip("/")), BEGINNING)
            await stream.to_asgi_response()(scope, receive, send)

    return answer
