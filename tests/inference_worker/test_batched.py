"""Chunks of speech that are heard at once give what they give one after the other, and lose nothing by it."""

from collections.abc import Callable, Iterator
from itertools import chain, groupby
from typing import Any

import jiwer
import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from domain.instructions import Instructions
from domain.transcript import Segment, Word
from inference_worker.engines.batched import ChunkHeard, hear_in_batches, window_seconds_of
from inference_worker.engines.chunks import Chunk, Span
from inference_worker.engines.devices import Device
from inference_worker.engines.faster_whisper import FasterWhisperEngine
from inference_worker.models import find_model
from inference_worker.voice import Numbers
from infrastructure.media.decode import open_pcm
from tests.inference_worker.test_engines import SAMPLES, SPEECH_SECONDS, SPOKEN, transcribe, window

BATCH = Device(kind="cpu", batch=4)
AT_ONCE, ALONE = 0.8, 0.9


@pytest.fixture(scope="module")
def speech() -> bytes:
    with open_pcm(SAMPLES / "speech.ogg", SPEECH_SECONDS) as sound:
        return b"".join(sound)


def engine(open_pipeline: Any = BatchedInferencePipeline) -> FasterWhisperEngine:
    return FasterWhisperEngine(find_model("tiny.en"), BATCH, open_pipeline=open_pipeline)


def text_of(words: list[Word]) -> str:
    return str(SPOKEN("".join(word.text for word in words)))


def sample() -> str:
    return str(SPOKEN((SAMPLES / "speech.txt").read_text(encoding="utf-8").replace("\n", " ")))


class LosingPipeline:
    """Hears what the real one hears, and of the second chunk tells every third word alone, as long as all three."""

    def __init__(self, model: WhisperModel) -> None:
        self._real = BatchedInferencePipeline(model)
        self.lost: list[str] = []

    def transcribe(self, audio: Numbers, **options: Any) -> tuple[Iterator[Any], Any]:
        found, about = self._real.transcribe(audio, **options)
        return self._without_most(found), about

    def _without_most(self, found: Any) -> Iterator[Any]:
        for number, (_, segments) in enumerate(groupby(found, lambda segment: segment.seek)):
            for segment in segments:
                if number == 1:
                    self._lose(segment)
                yield segment

    def _lose(self, segment: Any) -> None:
        for kept, second, last in zip(*(segment.words[at::3] for at in range(3)), strict=False):
            self.lost += [second.word, last.word]
            kept.end = last.end
        segment.words = segment.words[::3]


class Opened:
    """Remembers the pipelines that an engine opens."""

    def __init__(self) -> None:
        self.pipelines: list[LosingPipeline] = []

    def __call__(self, model: WhisperModel) -> LosingPipeline:
        self.pipelines.append(LosingPipeline(model))
        return self.pipelines[-1]


def test_a_batch_gives_nearly_the_words_that_are_heard_one_after_the_other(speech: bytes) -> None:
    heard = window(speech, seconds=SPEECH_SECONDS)
    alone = FasterWhisperEngine(find_model("tiny.en"), Device(kind="cpu", batch=1))
    at_once = engine()
    assert jiwer.wer(text_of(transcribe(alone, heard)), text_of(transcribe(at_once, heard))) < 0.03
    assert (alone.name + "/batch-4", alone.window_seconds) == (at_once.name, 60.0)
    assert at_once.window_seconds == 300.0


def test_a_chunk_that_lost_most_of_its_words_is_heard_again_alone(speech: bytes) -> None:
    """Its words are sure, follow each other, and leave no voice without a word."""
    opened = Opened()
    words = transcribe(engine(opened), window(speech, seconds=SPEECH_SECONDS))
    (pipeline,) = opened.pipelines
    assert len(pipeline.lost) > 30
    assert jiwer.wer(sample(), text_of(words)) < 0.05


def test_each_window_has_a_pipeline_of_its_own(speech: bytes) -> None:
    """It keeps in mind where the last word ended, and recordings are heard in several threads."""
    opened = Opened()
    at_once = engine(opened)
    for _ in range(2):
        transcribe(at_once, window(speech, seconds=5.0))
    assert len(opened.pipelines) == 2


def test_an_engine_whose_batch_nobody_chose_hears_chunks_one_after_the_other_on_the_cpu() -> None:
    chosen = FasterWhisperEngine(find_model("tiny.en"), Device(kind="cpu"))
    assert "batch" not in chosen.name


def test_a_language_that_was_found_is_that_of_every_segment_of_a_batch(speech: bytes) -> None:
    base = FasterWhisperEngine(find_model("base"), BATCH)
    found = base.transcribe(window(speech, seconds=40.0), Instructions(), lambda _: None)
    assert {segment.language for segment in found.segments} == {found.language} == {"en"}


@pytest.mark.parametrize(("batch", "seconds"), [(1, 60.0), (2, 300.0), (8, 480.0), (64, 600.0)])
def test_windows_are_long_where_there_is_a_batch_to_fill_and_never_more_than_ten_minutes(
    batch: int, seconds: float
) -> None:
    assert window_seconds_of(batch) == seconds


class Hearings:
    """What chunks give at once and alone: of each, the number of its words; one begins every ten seconds."""

    def __init__(self, at_once: list[int], heard: Callable[[int], None] | None = None) -> None:
        self._at_once = at_once
        self.told: list[int] = []
        self._heard = heard or self.told.append
        self.alone: list[tuple[int, int]] = []
        self.batches: list[int] = []

    def hear(self, size: int) -> list[Segment]:
        chunks = [Chunk((Span(at * 10_000, at * 10_000 + 9_000),)) for at in range(len(self._at_once))]
        return hear_in_batches(
            chunks,
            size,
            hear_batch=self._batch,
            hear_alone=self._alone,
            voiced_ms=lambda start_ms, end_ms: end_ms - start_ms,
            heard=self._heard,
        )

    def _batch(self, chunks: Any) -> list[ChunkHeard]:
        self.batches.append(len(chunks))
        return [
            ChunkHeard(chunk, [_said(chunk.start_ms, self._at_once[chunk.start_ms // 10_000])], -0.2)
            for chunk in chunks
        ]

    def _alone(self, start_ms: int, end_ms: int, heard: Any) -> list[Segment]:
        self.alone.append((start_ms, end_ms))
        heard(end_ms)
        return [_said(start_ms, 2, alone=True)]


def _said(start_ms: int, count: int, *, alone: bool = False) -> Segment:
    """Words of which none is like another, told apart by their probability."""
    return Segment(
        words=tuple(
            Word(
                text=f" {(number + 1) * 7_919 % 9_973}",
                start_ms=start_ms,
                end_ms=start_ms,
                probability=ALONE if alone else AT_ONCE,
            )
            for number in range(count)
        )
    )


def test_only_a_suspicious_chunk_is_heard_again_and_what_is_then_heard_takes_its_place() -> None:
    hearings = Hearings([25, 24, 5, 26])
    segments = hearings.hear(4)
    assert hearings.alone == [(20_000, 29_000)]
    assert [segment.words[0].probability for segment in segments] == [AT_ONCE, AT_ONCE, ALONE, AT_ONCE]


def test_what_is_usual_is_learned_from_earlier_batches_too() -> None:
    hearings = Hearings([25, 24, 26, 25, 11])
    hearings.hear(2)
    assert hearings.batches == [2, 2, 1]
    assert hearings.alone == [(40_000, 49_000)]


def test_progress_is_told_after_each_batch_and_never_goes_back() -> None:
    hearings = Hearings([25, 2, 25, 25, 3])
    hearings.hear(2)
    assert hearings.told == sorted(hearings.told)
    assert {19_000, 39_000, 49_000} <= set(hearings.told)


def test_an_abandoned_recording_ends_after_the_batch_that_it_is_at() -> None:
    class NotWanted(BaseException):
        pass

    def nobody_wants_it(_: int) -> None:
        raise NotWanted

    hearings = Hearings([25] * 8, nobody_wants_it)
    with pytest.raises(NotWanted):
        hearings.hear(2)
    assert hearings.batches == [2]


def test_words_of_a_batch_never_overlap_and_lie_in_the_window(speech: bytes) -> None:
    words = transcribe(engine(), window(speech, seconds=SPEECH_SECONDS, start_ms=30_000))
    times = list(chain.from_iterable((word.start_ms, word.end_ms) for word in words))
    assert times == sorted(times)
    assert 30_000 <= times[0] < times[-1] <= 30_000 + round(SPEECH_SECONDS * 1000)
