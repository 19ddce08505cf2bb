"""Two recordings at once in one engine process, beside an engine process for each: time, processor time and memory."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import psutil
from msgspec import Struct

from benchmarks.measure import Measurement, Target, report
from domain.instructions import Instructions
from inference_worker.child_messages import Task
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.models import find_model

SPEECH: Final = Path(__file__).parents[1] / "samples" / "speech.ogg"
SPEECH_SECONDS: Final = 74.91
SLOTS: Final = 2
ROUNDS: Final = 2
PEER: Final = "a process each"
CAPTION: Final = f"{SLOTS} recordings of {SPEECH_SECONDS:.0f} s at once, the default model, one thread a slot; means of {ROUNDS} turns"


class Used(Struct, frozen=True):
    seconds: float
    processor_seconds: float
    memory_bytes: float


async def main() -> None:
    print(f"slots: {ROUNDS} times {SLOTS} recordings in one engine process and in {SLOTS}, in turn")
    model = str(await asyncio.to_thread(find_model, ""))
    shared = EngineChoice(kind="faster-whisper", model=model, slots=SLOTS)
    alone = EngineChoice(kind="faster-whisper", model=model)
    ours, peer = [], []
    for _ in range(ROUNDS):
        ours.append(await _heard([EngineProcess(shared)] * SLOTS))
        peer.append(await _heard([EngineProcess(alone) for _ in range(SLOTS)]))
    report("slots", CAPTION, [*_measurements(ours, peer)])


async def _heard(engines: Sequence[EngineProcess]) -> Used:
    """A recording by each of them at the same time; one may be in the sequence more than once."""
    for engine in engines:
        await engine.make_ready()
    processes = [psutil.Process(pid) for pid in {engine.pid for engine in engines} if pid is not None]
    before, begun = _processor_seconds(processes), time.monotonic()
    try:
        await asyncio.gather(*(_hear(engine) for engine in engines))
        return Used(
            seconds=time.monotonic() - begun,
            processor_seconds=_processor_seconds(processes) - before,
            memory_bytes=sum(each.memory_full_info().pss for each in processes),
        )
    finally:
        for engine in engines:
            await engine.stop()


async def _hear(engine: EngineProcess) -> None:
    task = Task(
        media=str(SPEECH),
        duration_seconds=SPEECH_SECONDS,
        instructions=Instructions(language="en"),
        window_seconds=60.0,
    )
    async for _ in engine.run(task):
        pass


def _processor_seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes)


def _measurements(ours: Sequence[Used], peer: Sequence[Used]) -> Sequence[Measurement]:
    def row(situation: str, unit: str, name: str, scale: float, at_most: float) -> Measurement:
        return Measurement(
            situation=situation,
            unit=unit,
            ours=median(getattr(each, name) for each in ours) / scale,
            peers={PEER: median(getattr(each, name) for each in peer) / scale},
            targets=(Target(peer=PEER, ratio=at_most, at_most=True),),
        )

    return (
        row("time until both are done, s", "s", "seconds", 1, 1.1),
        row("processor time, s", "s", "processor_seconds", 1, 1.05),
        row("memory (proportional), MB", "MB", "memory_bytes", 1e6, 1.0),
    )
