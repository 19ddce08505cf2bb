"""What an upload and a transcription cost: processor time of every process, how many a second, and the wait for one."""

import asyncio
import math
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import av
import faster_whisper
from msgspec import Struct

from benchmarks.measure import Measurement, Target, report
from benchmarks.processor_time import Seconds, between, processor_seconds
from benchmarks.stack import open_folder
from inference_worker.engine_process import TASKS_MAX
from inference_worker.engines.faster_whisper import BEAM_SIZE
from inference_worker.models import find_model
from infrastructure.media.decode_child import decode
from infrastructure.media.probe_child import examine
from tests.end_to_end.installation import Installation, start, stop
from tests.end_to_end.person import Person
from tests.media import write_tone

JOBS: Final = int(os.environ.get("BENCH_JOBS", "200"))
TRANSCRIBED_MAX: Final = TASKS_MAX - 20
"""Fewer than an engine does before a fresh one takes over: what its decoders had used would be in nobody's figures."""
PEOPLE: Final = 8
NOTE_SECONDS: Final = 4.0
CLIP_SECONDS: Final = 11.0
CLIPS: Final = 5
IDLE_SECONDS: Final = 5.0
DEADLINE_SECONDS: Final = 300.0
SAMPLE: Final = Path("samples/speech.ogg")

BARE: Final = "bare"
COST_CAPTION: Final = (
    f"a WAV of {NOTE_SECONDS:g} s, one after the other, and their transcriptions by the scripted engine, all at once; what is "
    "used while nothing is asked for is taken off; bare: the measuring and the decoding alone, in a process that is warm"
)
RATE_CAPTION: Final = f"{PEOPLE} people at once; bare: measuring or decoding the same in one warm process"
CLIP_CAPTION: Final = (
    f"{CLIP_SECONDS:g} s of speech, from the request to the first answer that says completed; bare: the model alone, "
    "loaded before, in turn with ours"
)


class Cost(Struct, frozen=True, kw_only=True):
    """Of one job, in milliseconds of processor time by part; and how many were done in a second."""

    by_part: Seconds
    per_second: float

    @property
    def total(self) -> float:
        return sum(self.by_part.values())

    def of(self, *parts: str) -> float:
        return sum(self.by_part.get(part, 0.0) for part in parts)


async def main() -> None:
    with open_folder() as folder:
        note = write_tone(folder / "note.wav", seconds=NOTE_SECONDS)
        async with (
            installation(folder / "scripted", engine="scripted") as running,
            AsyncExitStack() as door,
        ):
            people = [await door.enter_async_context(Person.arrives(running.url)) for _ in range(PEOPLE)]
            await _measure_costs(running, people, note)
        async with installation(folder / "whisper") as running:
            await _measure_wait(running, _clip(folder / "clip.wav"))


@asynccontextmanager
async def installation(folder: Path, **settings: object) -> AsyncIterator[Installation]:
    running = await start(folder, free_minutes=JOBS * 4, uploads_per_user=16, **settings)
    try:
        yield running
    finally:
        await stop(running)


async def _measure_costs(running: Installation, people: Sequence[Person], note: Path) -> None:
    await transcribe(running, people, [await upload(people, note, PEOPLE) for _ in range(2)][1])
    before = processor_seconds(running)
    await asyncio.sleep(IDLE_SECONDS)
    idle = {name: used / IDLE_SECONDS for name, used in between(before, processor_seconds(running)).items()}
    probed, decoded = _bare(lambda: examine(note, math.inf)), _bare(lambda: _decode(note))

    alone = await _cost(running, idle, lambda: upload(people[:1], note, JOBS // 4), JOBS // 4)
    uploaded: list[list[str]] = []

    async def upload_all() -> None:
        uploaded.append(await upload(people, note, JOBS))

    together = await _cost(running, idle, upload_all, JOBS)
    files = uploaded[0][:TRANSCRIBED_MAX]
    job = await _cost(running, idle, lambda: transcribe(running, people, files), len(files))
    report("jobs", COST_CAPTION, [*_costs("upload", alone, probed, 40), *_costs("job", job, decoded, 60)])
    rates = [
        Measurement(
            situation="uploads",
            unit="a second",
            ours=together.per_second,
            peers={BARE: 1000 / probed},
            to_reach=30,
        ),
        Measurement(
            situation="transcriptions",
            unit="a second",
            ours=job.per_second,
            peers={BARE: 1000 / decoded},
        ),
    ]
    report("jobs_rate", RATE_CAPTION, rates)


def _costs(what: str, cost: Cost, bare: float, at_most: float) -> list[Measurement]:
    parts = {
        "api": cost.of("api"),
        "worker": cost.of("work"),
        "PostgreSQL": cost.of("PostgreSQL"),
        "relay, projector, dispatcher": cost.of("relay", "project", "dispatch"),
    }
    parts["broker"] = cost.total - sum(parts.values())
    lines = {f"{what}: {part}": used for part, used in parts.items()}
    own = "every process"
    lines[f"{what}: {own}"] = cost.total
    return [
        Measurement(
            situation=situation,
            unit="ms of processor time",
            ours=used,
            peers={BARE: bare},
            at_most=at_most if situation == f"{what}: {own}" else None,
        )
        for situation, used in lines.items()
    ]


async def _cost(
    running: Installation, idle: Seconds, work: Callable[[], Awaitable[object]], count: int
) -> Cost:
    before, began = processor_seconds(running), time.perf_counter()
    await work()
    took = time.perf_counter() - began
    used = between(before, processor_seconds(running))
    by_part = {name: 1000 * (seconds - took * idle[name]) / count for name, seconds in used.items()}
    return Cost(by_part=by_part, per_second=count / took)


def _bare(once: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    once()
    began = time.process_time()
    for _ in range(JOBS):
        once()
    return 1000 * (time.process_time() - began) / JOBS


class _Nowhere:
    def write(self, _: object) -> int:
        return 0


def _decode(note: Path) -> None:
    decode(note, math.inf, _Nowhere())  # type: ignore[arg-type]  # all that it is asked for


async def upload(people: Sequence[Person], note: Path, count: int) -> list[str]:
    """The files' ids, each beside its person."""

    async def some(person: Person, number: int) -> list[str]:
        return [(await person.uploads(note))["file_id"] for _ in range(number)]

    share = -(-count // len(people))
    shares = await asyncio.gather(*(some(person, share) for person in people))
    return [file_id for each in zip(*shares, strict=True) for file_id in each][:count]


async def transcribe(running: Installation, people: Sequence[Person], files: Sequence[str]) -> None:
    """Asks for all of them at once, and waits until all are completed."""
    async with running.database() as database:
        query = "select count(*) from read.transcriptions where status = 'completed'"
        done = await database.fetchval(query)
        whose = [(people[number % len(people)], file_id) for number, file_id in enumerate(files)]
        await asyncio.gather(*(person.requests(file_id) for person, file_id in whose))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await database.fetchval(query) < done + len(files):  # of other processes
                await asyncio.sleep(0.1)


async def _measure_wait(running: Installation, clip: Path) -> None:
    model = faster_whisper.WhisperModel(
        str(find_model("")), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )
    ours, bare = [], []
    async with Person.arrives(running.url) as person:
        for number in range(CLIPS + 1):
            waits = await _wait(person, clip), await asyncio.to_thread(_listen, model, clip)
            if number:  # The first of each warms up.
                ours.append(waits[0])
                bare.append(waits[1])
    median = statistics.median(ours), statistics.median(bare)
    report(
        "jobs_wait",
        CLIP_CAPTION,
        [
            Measurement(
                situation=f"{CLIP_SECONDS:g} s of speech",
                unit="s",
                ours=median[0],
                peers={BARE: median[1]},
                targets=(Target(peer=BARE, ratio=(median[1] + 0.6) / median[1], at_most=True),),
            )
        ],
    )


async def _wait(person: Person, clip: Path) -> float:
    file_id = (await person.uploads(clip))["file_id"]
    began = time.perf_counter()
    transcription_id = await person.requests(file_id)
    while (await person.sees(transcription_id))["status"] != "completed":
        assert time.perf_counter() < began + DEADLINE_SECONDS
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


def _listen(model: faster_whisper.WhisperModel, clip: Path) -> float:
    began = time.perf_counter()
    found, _ = model.transcribe(
        str(clip), language="en", beam_size=BEAM_SIZE, word_timestamps=True, vad_filter=True
    )
    list(found)
    return time.perf_counter() - began


def _clip(path: Path) -> Path:
    """The beginning of the spoken sample."""
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w", format="wav") as target:
        stream = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for frame in source.decode(audio=0):
            if frame.time is not None and frame.time >= CLIP_SECONDS:
                break
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path
