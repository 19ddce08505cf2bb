"""Hours beside ten minutes: memory, progress, the worker's event loop, and what a kill of engine and worker costs."""

import asyncio
import math
import os
import sys
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

import av
import msgspec
import psutil

from benchmarks.long_worker import Told
from benchmarks.measure import Measurement, Target, report
from benchmarks.stack import open_folder
from domain.transcription_events import Job
from infrastructure.media.warm import DECODE
from infrastructure.object_store.folder import FolderObjectStore
from tests.inference_worker.assignments import store_media

HOURS: Final = float(os.environ.get("BENCH_HOURS", "3"))
MINUTES_10: Final = 600.0
RATE: Final = 16_000
PERIOD_SECONDS: Final = 20
SAMPLE_SECONDS: Final = 0.05
DEADLINE_SECONDS: Final = 600.0
KILL_ENGINE_AT: Final = 0.3
KILL_WORKER_AT: Final = 0.6
MEMORY_CAPTION: Final = (
    "the most that each held (proportional set size), scripted engine, windows of a minute; "
    f"the {HOURS:g} hours with the two kills below"
)
LENGTH_CAPTION: Final = (
    f"in the {HOURS:g} hours the engine was killed (kill -9) at 30 % and the worker at 60 %; gap: the longest time without "
    "progress while the engine hears something new, as it is reported: within a window, which takes 30 ms here, it is "
    "an estimate; lag: how much later than due the worker's event loop ran a timer"
)
TIMES_CAPTION: Final = (
    f"{HOURS:g} hours; after a kill the decoder passes from the beginning to the first unfinished window"
)
PEER: Final = "10 minutes"


class Watched:
    """One worker process: what it tells, and the most memory that it and any one of its children held."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.tree = psutil.Process(process.pid)
        self.peak_bytes: Counter[str] = Counter()

    async def told(self) -> AsyncIterator[Told]:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            yield msgspec.json.decode(line, type=Told)

    async def sample(self) -> None:
        while True:
            await asyncio.to_thread(self._sample)
            await asyncio.sleep(SAMPLE_SECONDS)

    def _sample(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self._note("worker", self.tree)
            for each in self.tree.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    self._note("decoder" if DECODE in each.cmdline() else "engine", each)

    def _note(self, name: str, process: psutil.Process) -> None:
        self.peak_bytes[name] = max(self.peak_bytes[name], process.memory_full_info().pss)


class Run:
    """All that was told about one recording, over however many worker processes."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.peak_bytes: Counter[str] = Counter()
        self.kills: list[tuple[float, float]] = []
        """When, and how far it had come."""

    @property
    def windows(self) -> Counter[int]:
        return Counter(each.index for each in self.told if each.what == "window")

    @property
    def lag_seconds(self) -> float:
        return max(each.lag_seconds for each in self.told)

    @property
    def gap_seconds(self) -> float:
        """Without what passes between a kill and the first new window after it."""
        moves = self._moves()
        return max(
            after - before
            for before, after in pairwise(moves)
            if not any(before <= killed_at <= after for killed_at, _ in self.kills)
        )

    def _moves(self) -> list[float]:
        furthest, moves = 0.0, []
        for each in self.told:
            if each.what == "progress" and each.done_seconds > furthest:
                furthest = each.done_seconds
                moves.append(each.at)
        return moves

    def resumed_after_seconds(self, kill: int) -> float:
        killed_at, _ = self.kills[kill]
        return next(at for at in self._moves() if at > killed_at) - killed_at


async def main() -> None:
    with open_folder() as folder:
        short = await _job(folder / "short", MINUTES_10)
        long = await _job(folder / "long", 3600 * HOURS)
        ten_minutes = await _transcribe(folder / "short", short, kills=False)
        began = time.monotonic()
        hours = await _transcribe(folder / "long", long, kills=True)
        _report(ten_minutes, hours, time.monotonic() - began)


def _report(ten_minutes: Run, hours: Run, took_seconds: float) -> None:
    memory = [
        Measurement(
            situation=name,
            unit="MiB",
            ours=hours.peak_bytes[name] / 2**20,
            peers={PEER: ten_minutes.peak_bytes[name] / 2**20},
            targets=(Target(peer=PEER, ratio=1.1, at_most=True),),
        )
        for name in ten_minutes.peak_bytes
    ]
    report("long_memory", MEMORY_CAPTION, memory)
    limit = "limit"
    figures = [
        ("longest gap of progress", hours.gap_seconds, 2.0),
        ("worst lag of the event loop, ms", 1000 * hours.lag_seconds, 100.0),
        ("windows heard twice, engine killed", _repeated(hours, 0), 1.0),
        ("windows heard twice, worker killed", _repeated(hours, 1), 1.0),
    ]
    report(
        "long",
        LENGTH_CAPTION,
        [
            Measurement(
                situation=situation,
                unit="s, unless said otherwise",
                ours=ours,
                peers={limit: most},
                targets=(Target(peer=limit, ratio=1.0, at_most=True),),
            )
            for situation, ours, most in figures
        ],
    )
    times = {
        "until new words, engine killed": hours.resumed_after_seconds(0),
        "until new words, worker killed": hours.resumed_after_seconds(1),
        "the whole": took_seconds,
    }
    report(
        "long_times",
        TIMES_CAPTION,
        [
            Measurement(situation=situation, unit="s", ours=seconds, peers={})
            for situation, seconds in times.items()
        ],
    )
    assert set(hours.windows) == set(range(len(hours.windows))), "a window is missing"


def _repeated(run: Run, kill: int) -> float:
    """How many windows were under way or finished when it was killed, and were heard again from their beginning."""
    killed_at, done_seconds = run.kills[kill]
    finished = {each.index for each in run.told if each.what == "window" and each.at <= killed_at}
    again = [each.index for each in run.told if each.what == "window" and each.at > killed_at]
    heard_in_part = done_seconds > 0 and again[:1] == [len(finished)]
    return len(finished & set(again)) + heard_in_part


async def _transcribe(folder: Path, job: Job, *, kills: bool) -> Run:
    run = Run()
    async with asyncio.timeout(DEADLINE_SECONDS):
        async with _worker(folder, job, 1) as worker:
            done = await _follow(run, worker, job, kills=kills)
            run.peak_bytes |= worker.peak_bytes
        if not done:
            async with _worker(folder, job, 3) as successor:
                assert await _follow(run, successor, job, kills=False)
                run.peak_bytes |= successor.peak_bytes
    return run


async def _follow(run: Run, worker: Watched, job: Job, *, kills: bool) -> bool:
    """Whether it completed; with `kills` the engine dies first, and then the worker."""
    first_kill = len(run.kills)
    async with aclosing(worker.told()) as told:  # type: ignore[type-var]  # an async generator is closed
        async for each in told:
            run.told.append(each)
            if each.what == "done":
                return True
            share = each.done_seconds / job.duration_seconds
            if kills and len(run.kills) == first_kill and share > KILL_ENGINE_AT:
                run.kills.append((time.monotonic(), each.done_seconds))
                psutil.Process(each.engine_pid).kill()
            elif kills and len(run.kills) == first_kill + 1 and share > KILL_WORKER_AT:
                run.kills.append((time.monotonic(), each.done_seconds))
                return False
    raise AssertionError("the worker ended")


@asynccontextmanager
async def _worker(folder: Path, job: Job, attempt: int) -> AsyncIterator[Watched]:
    """At work during the block, and then killed as it stands."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.long_worker", str(folder)),
        *(msgspec.json.encode(job).decode(), str(attempt)),
        stdout=asyncio.subprocess.PIPE,
    )
    watched = Watched(process)
    sampling = asyncio.create_task(watched.sample())
    try:
        yield watched
    finally:
        sampling.cancel()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _job(folder: Path, seconds: float) -> Job:
    """A recording in an object store of its own."""
    (folder / "scratch").mkdir(parents=True)
    store = FolderObjectStore(folder / "objects")
    await store.prepare()
    recording = folder / "recording.flac"
    await asyncio.to_thread(_write, recording, seconds)
    content = await asyncio.to_thread(recording.read_bytes)
    recording.unlink()
    return await store_media(store, content, duration_seconds=seconds)


def _write(path: Path, seconds: float) -> None:
    """Quiet and loud in turn, the same for ever: an hour is 13 MB, and made in a second."""
    with av.open(str(path), "w", format="flac") as target:
        stream = target.add_stream("flac", rate=RATE, layout="mono", options={"compression_level": "0"})
        for start in range(0, int(seconds), PERIOD_SECONDS):
            frame = av.AudioFrame(format="s16", layout="mono", samples=RATE * PERIOD_SECONDS)
            frame.planes[0].update(_PERIOD)
            frame.sample_rate, frame.pts, frame.time_base = RATE, start * RATE, Fraction(1, RATE)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def _period() -> Sequence[int]:
    wave = (math.sin(2 * math.pi * 140 * at / RATE) for at in range(RATE * PERIOD_SECONDS))
    return [round(600 * level) * (at // RATE % 2) for at, level in enumerate(wave)]


_PERIOD: Final = array("h", _period()).tobytes()
