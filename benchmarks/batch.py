"""Speech heard in batches, beside the same one chunk after the other and beside faster-whisper's pipeline as it comes.

Without BENCH_RECORDINGS (benchmarks/words.py says what that is) the English sample is heard three times.
"""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from faster_whisper import BatchedInferencePipeline
from msgspec import Struct

from benchmarks.measure import Measurement, report
from benchmarks.word_errors import errors, words
from benchmarks.words import clips
from domain.instructions import Instructions
from inference_worker.engines.devices import Device, OpenModel, open_model
from inference_worker.engines.faster_whisper import FasterWhisperEngine
from inference_worker.models import find_model
from inference_worker.pauses import longest_pause
from inference_worker.voice import samples_of
from inference_worker.windows import WindowStart, cut_windows
from infrastructure.media.decode import open_pcm
from infrastructure.media.pcm import BYTES_PER_MS

MODELS: Final = os.environ.get("BENCH_MODELS", "base").split(",")
BATCHES: Final = tuple(map(int, os.environ.get("BENCH_BATCHES", "4").split(",")))
TURNS: Final = int(os.environ.get("BENCH_TURNS", "1"))
PAUSE_MS: Final = 1_000
BARE: Final = "bare pipeline"
ALONE: Final = "one by one"
CAPTION: Final = (
    f"English, told so, as int8 on one core; the medians of {TURNS} turns. Wrong words are of a hundred that were said, "
    "other words of a hundred that ours hears one by one."
)


class Recording(Struct, frozen=True):
    pcm: bytes
    said: str


class Turn(Struct, frozen=True):
    """One hearing of the whole."""

    text: str
    seconds: float
    processor_seconds: float


Hear = Callable[[bytes], str]


def recording() -> Recording:
    """What people spoke, one after the other, with a pause after each."""
    folder = os.environ.get("BENCH_RECORDINGS")
    parts = clips(Path(folder) if folder else None)["en"] * (1 if folder else 3)
    pcm = b""
    for part in parts:
        with open_pcm(part.path, 3_600.0) as sound:
            pcm += b"".join(sound) + bytes(PAUSE_MS * BYTES_PER_MS)
    return Recording(pcm, " ".join(part.said for part in parts))


def ours(engine: FasterWhisperEngine, pcm: bytes) -> str:
    """In the windows that a worker cuts for this engine."""
    windows = cut_windows(
        [pcm],
        size_ms=int(engine.window_seconds * 1000),
        begin=WindowStart(),
        find_pause=longest_pause,
    )
    told = Instructions(language="en")
    heard = [engine.transcribe(window, told, lambda _: None) for window in windows]
    return " ".join(segment.text for each in heard for segment in each.segments)


def bare(opened: OpenModel, batch: int, pcm: bytes) -> str:
    segments, _ = BatchedInferencePipeline(opened.model).transcribe(
        samples_of(pcm), language="en", word_timestamps=True, batch_size=batch
    )
    return "".join(segment.text for segment in segments)


def turn(hear: Hear, pcm: bytes) -> Turn:
    begun, used = time.monotonic(), time.process_time()
    text = hear(pcm)
    return Turn(text, time.monotonic() - begun, time.process_time() - used)


async def main() -> None:
    heard = recording()
    seconds = len(heard.pcm) / BYTES_PER_MS / 1000
    print(f"batch: {seconds:.0f} s of speech, {len(words(heard.said))} words, {TURNS} times in turn")
    report("batch", CAPTION, [row for model in MODELS for row in _rows(model, heard)])


def _rows(model: str, heard: Recording) -> Sequence[Measurement]:
    turns = _in_turns(_contestants(model), heard.pcm)
    return [
        row
        for batch in BATCHES
        for row in _compared(
            f"{model}, {batch} at once", turns[f"{batch}"], turns[ALONE], turns[f"bare {batch}"], heard.said
        )
    ]


def _contestants(model: str) -> dict[str, Hear]:
    folder = find_model(model)
    opened = open_model(folder, Device(kind="cpu"))
    contestants: dict[str, Hear] = {}
    for batch in (1, *BATCHES):
        engine = FasterWhisperEngine(folder, Device(kind="cpu", batch=batch))
        contestants[ALONE if batch == 1 else f"{batch}"] = partial(ours, engine)
        if batch > 1:
            contestants[f"bare {batch}"] = partial(bare, opened, batch)
    return contestants


def _in_turns(contestants: dict[str, Hear], pcm: bytes) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {name: [] for name in contestants}
    for _ in range(TURNS):
        for name, hear in contestants.items():
            turns[name].append(turn(hear, pcm))
    return turns


def _compared(
    name: str, batched: Sequence[Turn], alone: Sequence[Turn], pipeline: Sequence[Turn], said: str
) -> Sequence[Measurement]:
    def row(what: str, figure: Callable[[Sequence[Turn]], float]) -> Measurement:
        return Measurement(
            situation=f"{name}: {what}",
            unit="s or % of words",
            ours=figure(batched),
            peers={ALONE: figure(alone), BARE: figure(pipeline)},
        )

    return (
        row("time, s", lambda turns: median(each.seconds for each in turns)),
        row("processor time, s", lambda turns: median(each.processor_seconds for each in turns)),
        row("wrong words, %", lambda turns: 100 * errors(said, turns[0].text) / len(words(said))),
        row(
            "other words, %",
            lambda turns: 100 * errors(alone[0].text, turns[0].text) / len(words(alone[0].text)),
        ),
    )
