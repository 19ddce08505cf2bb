"""Whisper finds typed words where they are said, whatever instructions the processor has; and the sound it is given is the right one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest

from domain.alignment import Stretch, stretches_of, with_times
from domain.edits import edit
from domain.instructions import Instructions
from domain.ports import AligningEngine, Window
from domain.transcript import Segment, Transcript, Word, transcript_of
from inference_worker.child_alignment import sound_of
from inference_worker.child_messages import AlignmentTask
from inference_worker.engine_process import EngineProcess
from inference_worker.engines.choice import EngineChoice
from inference_worker.engines.faster_whisper import FasterWhisperEngine
from inference_worker.engines.scripted import ScriptedEngine
from inference_worker.faults import Fault
from inference_worker.models import find_model
from infrastructure.media.decode import open_pcm
from infrastructure.media.pcm import BYTES_PER_MS
from tests.inference_worker.waiting import until

SPEECH = Path(__file__).parents[2] / "samples" / "speech.ogg"
SPEECH_SECONDS = 74.9
RUN = 4
"""Words that are typed in the place of one."""
WORDS_MAX = 60


@pytest.fixture(scope="module")
def pcm() -> bytes:
    with open_pcm(SPEECH, SPEECH_SECONDS) as sound:
        return b"".join(sound)


@pytest.fixture(scope="module")
def whisper() -> FasterWhisperEngine:
    return FasterWhisperEngine(find_model("tiny.en"))


@pytest.fixture(scope="module")
def heard(pcm: bytes, whisper: FasterWhisperEngine) -> Transcript:
    duration_ms = len(pcm) // BYTES_PER_MS
    window = Window(index=0, start_ms=0, end_ms=duration_ms, pcm=pcm)
    recognised = whisper.transcribe(window, Instructions(language="en"), lambda _: None)
    return transcript_of(list(recognised.segments), language="en", duration_ms=duration_ms)


def misheard(heard: Transcript, first: int) -> Transcript:
    """As if the engine had heard one word in the place of several, in all the time of those."""
    words = list(heard.words)
    run = words[first : first + RUN]
    wrong = Word(text=" hmm", start_ms=run[0].start_ms, end_ms=run[-1].end_ms)
    return transcript_of(
        [Segment(words=(*words[:first], wrong, *words[first + RUN :]))],
        language="en",
        duration_ms=heard.duration_ms,
    )


def sound(pcm: bytes, stretch: Stretch) -> Window:
    return Window(
        index=0,
        start_ms=stretch.start_ms,
        end_ms=stretch.end_ms,
        pcm=pcm[stretch.start_ms * BYTES_PER_MS : stretch.end_ms * BYTES_PER_MS],
    )


def errors_ms(found: Transcript, heard: Transcript) -> Iterator[int]:
    for word, true in zip(found.words, heard.words, strict=True):
        if word.timing != "heard":
            yield abs(word.start_ms - true.start_ms)


def test_found_words_are_much_nearer_to_where_they_were_heard_than_estimated_ones(
    pcm: bytes, whisper: FasterWhisperEngine, heard: Transcript
) -> None:
    estimated: list[int] = []
    aligned: list[int] = []
    found_count = typed_count = 0
    for first in range(2, WORDS_MAX, RUN + 1):
        typed = edit(misheard(heard, first), heard.text)
        answers = [
            (stretch, whisper.find(sound(pcm, stretch), stretch.words, stretch.language))
            for stretch in stretches_of(typed)
        ]
        found = with_times(typed, answers)
        estimated += errors_ms(typed, heard)
        aligned += errors_ms(found, heard)
        found_count += sum(word.timing == "aligned" for word in found.words)
        typed_count += sum(word.timing == "estimated" for word in typed.words)
    assert found_count > typed_count * 0.7
    assert median(aligned) < median(estimated) / 2


def test_the_engine_says_that_it_can_and_the_others_that_they_cannot(whisper: FasterWhisperEngine) -> None:
    assert whisper.abilities.aligns
    assert isinstance(whisper, AligningEngine)
    assert not ScriptedEngine(1.0).abilities.aligns


def test_where_there_is_nothing_to_find_nothing_is_found(whisper: FasterWhisperEngine) -> None:
    silence = Window(index=0, start_ms=0, end_ms=1_000, pcm=bytes(1_000 * BYTES_PER_MS))
    assert not whisper.find(Window(index=0, start_ms=0, end_ms=0, pcm=b""), [" one"], "en")
    assert not whisper.find(silence, [], "en")
    assert not whisper.find(silence, [" one"], "tlh")
    assert not whisper.find(silence, [" one"] * 500, "en")
    assert len(whisper.find(silence, [" one", " two"], "en")) == 2


def stretch(start_ms: int, end_ms: int) -> Stretch:
    return Stretch(
        start_ms=start_ms, end_ms=end_ms, language="en", first=0, typed=0, untyped=1, words=(" x",)
    )


@pytest.mark.parametrize("block_bytes", [1, 7, 100, 10_000])
def test_the_sound_of_each_stretch_is_the_part_of_the_recording_that_it_names(block_bytes: int) -> None:
    recording = bytes(at % 251 for at in range(100 * BYTES_PER_MS))
    blocks = (recording[at : at + block_bytes] for at in range(0, len(recording), block_bytes))
    spans = [(0, 3), (2, 10), (10, 11), (40, 60), (95, 120), (130, 140)]
    found = list(sound_of(blocks, [stretch(*span) for span in spans]))
    assert found == [recording[start * BYTES_PER_MS : end * BYTES_PER_MS] for start, end in spans]


async def test_an_engine_in_its_own_process_finds_words_and_can_be_broken_off(heard: Transcript) -> None:
    engine = EngineProcess(EngineChoice(kind="faster-whisper", model="tiny.en"))
    typed = edit(misheard(heard, 2), heard.text)
    task = AlignmentTask(
        media=str(SPEECH), duration_seconds=SPEECH_SECONDS, stretches=tuple(stretches_of(typed))
    )
    try:
        await engine.make_ready()
        assert engine.abilities.aligns
        answer = await engine.align(task)
        found = with_times(typed, zip(task.stretches, answer.found, strict=True))
        assert "aligned" in {word.timing for word in found.words}
    finally:
        await engine.stop()


async def test_an_alignment_that_is_broken_off_leaves_the_loaded_model_to_whoever_comes(
    heard: Transcript,
) -> None:
    engine = EngineProcess(EngineChoice(kind="faster-whisper", model="tiny.en"))
    typed = edit(misheard(heard, 2), heard.text)
    stretches = tuple(stretches_of(typed)) * 1_000
    task = AlignmentTask(media=str(SPEECH), duration_seconds=SPEECH_SECONDS, stretches=stretches)
    try:
        await engine.make_ready()
        pid = engine.pid
        assert pid is not None
        looking = asyncio.create_task(engine.align(task))
        process = psutil.Process(pid)
        await until(lambda: len(process.children(recursive=True)) == 2)  # the second decodes for it
        looking.cancel()
        await asyncio.wait({looking})
        assert looking.cancelled()
        await until(lambda: len(process.children(recursive=True)) == 1)
        assert engine.pid == pid
    finally:
        await engine.stop()


async def test_an_engine_that_finds_no_words_says_so_and_goes_on() -> None:
    engine = EngineProcess(EngineChoice(kind="scripted"))
    task = AlignmentTask(media=str(SPEECH), duration_seconds=SPEECH_SECONDS, stretches=(stretch(0, 100),))
    try:
        with pytest.raises(Fault):
            await engine.align(task)
        assert engine.pid is not None
    finally:
        await engine.stop()
