"""Hears several chunks of one language at once, by faster-whisper's pipeline, which takes sound and gives no account of it.

Each call has its own part of the sound and no other, so that memory and the wait for a sign of progress are those of one
batch, and it is known of each chunk what was heard in it, though it were nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np

from domain.ports import Window
from domain.transcript import Segment, Word
from inference_worker.engines.chunks import CHUNK_MS_MAX, Chunk, Span
from inference_worker.engines.made_up import VoicedMs
from inference_worker.engines.suspicion import Hearing, is_suspicious, usual_rate
from inference_worker.voice import Numbers, samples_of
from inference_worker.windows import WINDOW_SECONDS
from infrastructure.media.pcm import BYTES_PER_MS

BATCHED_SECONDS_MIN: Final = 300.0
BATCHED_SECONDS_MAX: Final = 600.0
SEEKS_PER_SECOND: Final = 100
"""The pipeline says of every segment where its chunk began, in hundredths of a second."""


class Pipeline(Protocol):
    """faster_whisper.BatchedInferencePipeline; it keeps things in mind during a call, so that each recording has its own."""

    def transcribe(self, audio: Numbers, **options: Any) -> tuple[Any, Any]: ...


OpenPipeline: TypeAlias = Callable[[Any], Pipeline]
Options: TypeAlias = Mapping[str, Any]
"""What a model is asked for, one chunk or many."""
Heard: TypeAlias = Callable[[int], None]
HearBatch: TypeAlias = Callable[[Sequence[Chunk]], Sequence["ChunkHeard"]]
HearAlone: TypeAlias = Callable[[int, int, Heard], list[Segment]]
"""What is said between two moments, one half minute after the other, as without batches."""


class ChunkHeard(NamedTuple):
    """The segments of one chunk; `log_probability` is None where nothing was said of it."""

    chunk: Chunk
    segments: Sequence[Segment]
    log_probability: float | None


def window_seconds_of(batch: int) -> float:
    """How long windows are to be: with room for two batches, as far as memory and what a crash costs allow it."""
    if batch == 1:
        return WINDOW_SECONDS
    return min(max(2 * batch * CHUNK_MS_MAX / 1000, BATCHED_SECONDS_MIN), BATCHED_SECONDS_MAX)


def hear_in_batches(
    chunks: Sequence[Chunk],
    size: int,
    *,
    hear_batch: HearBatch,
    hear_alone: HearAlone,
    voiced_ms: VoicedMs,
    heard: Heard,
) -> list[Segment]:
    """What is said in the chunks: those that may have lost words are heard again alone, and that counts."""
    segments: list[Segment] = []
    hearings: list[Hearing] = []
    for batch in _batches(chunks, size):
        begin_ms = batch[0].start_ms
        found = hear_batch(batch)
        heard(begin_ms)  # Whoever wants no more of it is not kept waiting by the second hearings.
        judged = [_hearing(each, voiced_ms) for each in found]
        hearings += judged
        usual = usual_rate(hearings)
        for each, hearing in zip(found, judged, strict=True):
            if is_suspicious(hearing, usual):
                segments += hear_alone(each.chunk.start_ms, each.chunk.end_ms, lambda _: heard(begin_ms))  # noqa: B023  # called here
            else:
                segments += each.segments
        heard(batch[-1].end_ms)
    return segments


def _batches(chunks: Sequence[Chunk], size: int) -> Iterator[Sequence[Chunk]]:
    for first in range(0, len(chunks), size):
        yield chunks[first : first + size]


def _hearing(found: ChunkHeard, voiced_ms: VoicedMs) -> Hearing:
    return Hearing(
        words=[word for segment in found.segments for word in segment.words],
        log_probability=found.log_probability,
        voiced_ms=voiced_ms(found.chunk.start_ms, found.chunk.end_ms),
    )


def hear_at_once(
    pipeline: Pipeline, window: Window, chunks: Sequence[Chunk], options: Options
) -> Sequence[ChunkHeard]:
    """What the pipeline makes of each of them; `options` are the model's."""
    offsets_ms = list(accumulate((chunk.length_ms for chunk in chunks), initial=0))
    clips = [
        {"start": offset_ms / 1000, "end": (offset_ms + chunk.length_ms) / 1000}
        for offset_ms, chunk in zip(offsets_ms, chunks, strict=False)
    ]
    found, _ = pipeline.transcribe(
        samples_of(_sound_of(window, chunks)),
        clip_timestamps=clips,
        batch_size=len(chunks),
        without_timestamps=False,
        **options,
    )
    by_chunk: list[list[Any]] = [[] for _ in chunks]
    for segment in found:
        by_chunk[_nearest(offsets_ms[:-1], segment.seek * 1000 // SEEKS_PER_SECOND)].append(segment)
    return [
        _chunk_heard(chunk, offset_ms, segments)
        for chunk, offset_ms, segments in zip(chunks, offsets_ms, by_chunk, strict=False)
    ]


def _sound_of(window: Window, chunks: Sequence[Chunk]) -> bytes:
    """One after the other, without what is silent between them."""
    spans = [span for chunk in chunks for span in chunk.spans]
    return b"".join(
        window.pcm[(start - window.start_ms) * BYTES_PER_MS : (end - window.start_ms) * BYTES_PER_MS]
        for start, end in spans
    )


def _nearest(offsets_ms: Sequence[int], at_ms: int) -> int:
    return int(np.argmin(np.abs(np.array(offsets_ms) - at_ms)))


def _chunk_heard(chunk: Chunk, offset_ms: int, found: Sequence[Any]) -> ChunkHeard:
    segments = []
    last_ms = chunk.start_ms
    for segment in found:
        words = []
        for heard_word in segment.words or ():
            place = _placed(heard_word, chunk, offset_ms, last_ms)
            last_ms = place.end_ms
            words.append(_word(heard_word, place))
        if words:
            segments.append(Segment(words=tuple(words)))
    return ChunkHeard(chunk, segments, float(found[0].avg_logprob) if found else None)


def _placed(word: Any, chunk: Chunk, offset_ms: int, last_ms: int) -> Span:
    """After the word before it."""
    start_ms, end_ms = (round(float(at) * 1000) - offset_ms for at in (word.start, word.end))
    place = chunk.placed(start_ms, end_ms)
    first = max(place.start_ms, last_ms)
    return Span(first, max(place.end_ms, first))


def _word(word: Any, place: Span) -> Word:
    return Word(
        text=word.word,
        start_ms=place.start_ms,
        end_ms=place.end_ms,
        probability=round(float(word.probability), 4),
    )
