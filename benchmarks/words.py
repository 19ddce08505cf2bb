"""Words that are wrong, ours beside bare faster-whisper with the same model, on real recordings in several languages.

The recordings are Debian's Asterisk prompts, which people spoke and whose texts come along: unpack the packages
`asterisk-core-sounds-XX-wav` and `asterisk-core-sounds-XX` of each language into one folder and name it in BENCH_RECORDINGS.
Without them the two samples are measured.
"""

import gzip
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import faster_whisper
from msgspec import Struct

from benchmarks.measure import Measurement, Target, report
from benchmarks.word_errors import errors, words
from domain.instructions import Instructions
from inference_worker.engines.faster_whisper import FasterWhisperEngine
from inference_worker.models import find_model
from inference_worker.pauses import longest_pause
from inference_worker.windows import WindowStart, cut_windows
from infrastructure.media.decode import open_pcm
from infrastructure.processes import ROOT

SAMPLES: Final = ROOT / "samples"
CLIPS_MAX: Final = int(os.environ.get("BENCH_CLIPS", "10"))
"""The longest of each language."""
CAPTION: Final = (
    "Words inserted, left out or replaced, of a hundred that were said; nobody is told the language. "
    "The same model, base, as int8 on one core."
)
WINDOW_MS: Final = 60_000
_LANGUAGES: Final = ("en", "es", "fr", "it", "ru")


class Clip(Struct, frozen=True):
    """A recording and what is said in it."""

    path: Path
    said: str


class Wrong(Struct):
    """Words that are wrong, of words that were said; and recordings whose language was taken for another."""

    ours: int = 0
    bare: int = 0
    said: int = 0


def clips(folder: Path | None) -> Mapping[str, list[Clip]]:
    if folder is None:
        return {
            language: [Clip(SAMPLES / f"{name}.ogg", (SAMPLES / f"{name}.txt").read_text(encoding="utf-8"))]
            for language, name in (("en", "speech"), ("fr", "french"))
        }
    return {language: longest(folder, language) for language in _LANGUAGES}


def longest(folder: Path, language: str) -> list[Clip]:
    texts = dict(_texts(next(folder.rglob(f"core-sounds-{language}.txt.gz"))))
    spoken = next(folder.glob(f"usr/share/asterisk/sounds/{language}_*"))
    found = [Clip(path, texts[path.stem]) for path in spoken.glob("*.wav") if path.stem in texts]
    return sorted(found, key=lambda clip: clip.path.stat().st_size, reverse=True)[:CLIPS_MAX]


def _texts(listed: Path) -> Iterator[tuple[str, str]]:
    """Without noises and directions, which stand in brackets."""
    for line in gzip.decompress(listed.read_bytes()).decode("utf-8-sig").splitlines():
        name, _, said = line.partition(":")
        if said.strip() and not re.search(r"[\[\](){}<>]", said):
            yield name.strip(), said


def heard_by_us(engine: FasterWhisperEngine, clip: Clip) -> str:
    """Windows as a worker cuts them."""
    begin = WindowStart()
    with open_pcm(clip.path, 3_600.0) as sound:
        windows = [
            engine.transcribe(window, Instructions(), lambda _: None)
            for window in cut_windows(sound, size_ms=WINDOW_MS, begin=begin, find_pause=longest_pause)
        ]
    return " ".join(segment.text for window in windows for segment in window.segments)


def heard_bare(model: faster_whisper.WhisperModel, clip: Clip) -> str:
    segments, _ = model.transcribe(str(clip.path))
    return "".join(segment.text for segment in segments)


async def main() -> None:
    folder = os.environ.get("BENCH_RECORDINGS")
    model = find_model("base")
    engine = FasterWhisperEngine(model)
    bare = faster_whisper.WhisperModel(
        str(model), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )
    rows = []
    for language, recordings in clips(Path(folder) if folder else None).items():
        wrong = Wrong()
        for clip in recordings:
            wrong.said += len(words(clip.said))
            wrong.ours += errors(clip.said, heard_by_us(engine, clip))
            wrong.bare += errors(clip.said, heard_bare(bare, clip))
        rows.append(_row(language, len(recordings), wrong))
    report("words", CAPTION, rows)


def _row(language: str, recordings: int, wrong: Wrong) -> Measurement:
    """No row may be worse by more than one word in a hundred."""
    ours, bare = (100 * each / wrong.said for each in (wrong.ours, wrong.bare))
    return Measurement(
        situation=f"{language}: {recordings} recordings, {wrong.said} words",
        unit="% of words",
        ours=ours,
        peers={"bare": bare},
        targets=(Target(peer="bare", ratio=(bare + 1.0) / bare if bare else 1.0, at_most=True),),
    )
