"""Packs the speech of a stretch into chunks of up to half a minute, of which a model hears several at once.

A long silence is left out, and chunks end in pauses: what is cut in the middle of a word is heard by nobody.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from inference_worker.pauses import middle_of_pause
from inference_worker.voice import FRAME_MS, SPEECH_BELOW, SPEECH_FROM, Numbers

CHUNK_MS_MAX: Final = 30_000
"""What Whisper hears at once; of more it hears the beginning."""
FULL_SHARE: Final = 2 / 3
"""From so much of its room on a chunk may end, at the best pause that is left; Whisper takes as long for less."""
SILENCE_MS_MIN: Final = 2_000
"""This and the next are faster-whisper's."""
MARGIN_MS: Final = 400
"""What stays of a silence on either side of voice."""


class Span(NamedTuple):
    """Sound without a long silence, in ms from the start of the recording."""

    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


class Chunk(NamedTuple):
    """Spans that are heard as if they followed each other."""

    spans: tuple[Span, ...]

    @property
    def start_ms(self) -> int:
        return self.spans[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.spans[-1].end_ms

    @property
    def length_ms(self) -> int:
        return sum(span.length_ms for span in self.spans)

    def placed(self, start_ms: int, end_ms: int) -> Span:
        """Where in the recording a word was said that has these times within the chunk: in one of its spans."""
        span, offset_ms = self._span_at((start_ms + end_ms) // 2)
        first, last = (
            min(max(span.start_ms + at - offset_ms, span.start_ms), span.end_ms)
            for at in (start_ms, end_ms)
        )
        return Span(first, last)

    def _span_at(self, at_ms: int) -> tuple[Span, int]:
        """And how much of the chunk is before it."""
        offset_ms = 0
        for span in self.spans[:-1]:
            if at_ms < offset_ms + span.length_ms:
                return span, offset_ms
            offset_ms += span.length_ms
        return self.spans[-1], offset_ms


def chunks_of(speech: Numbers, start_ms: int, end_ms: int) -> Sequence[Chunk]:
    """All that is voice between two moments, by the probability of speech of each frame from the first of them on."""
    chunks: list[Chunk] = []
    spans: list[Span] = []
    room_ms = CHUNK_MS_MAX
    for span in _spans(speech, start_ms, end_ms):
        rest = span
        while rest.length_ms > room_ms:
            if room_ms >= CHUNK_MS_MAX * (1 - FULL_SHARE):
                first, rest = _cut(rest, room_ms, speech, start_ms)
                spans.append(first)
            chunks.append(Chunk(tuple(spans)))
            spans, room_ms = [], CHUNK_MS_MAX
        spans.append(rest)
        room_ms -= rest.length_ms
    return [*chunks, Chunk(tuple(spans))] if spans else chunks


def _cut(span: Span, room_ms: int, speech: Numbers, start_ms: int) -> tuple[Span, Span]:
    """At the best pause in the last part of the room."""
    earliest, latest = (
        (span.start_ms + int(room) - start_ms) // FRAME_MS for room in (room_ms * FULL_SHARE, room_ms)
    )
    at_ms = start_ms + int((earliest + middle_of_pause(speech[earliest:latest])) * FRAME_MS)
    return Span(span.start_ms, at_ms), Span(at_ms, span.end_ms)


def _spans(speech: Numbers, start_ms: int, end_ms: int) -> Iterator[Span]:
    """Margins never meet: they are shorter together than the silence between two spans."""
    for first, last in _voiced(speech):
        yield Span(
            max(start_ms, start_ms + first * FRAME_MS - MARGIN_MS),
            min(end_ms, start_ms + last * FRAME_MS + MARGIN_MS),
        )


def _voiced(speech: Numbers) -> Iterator[tuple[int, int]]:
    """Runs of frames, as first and one past the last, that a long silence parts; in each of them somebody does speak."""
    heard = np.flatnonzero(speech >= SPEECH_BELOW)
    silences = np.diff(heard) > SILENCE_MS_MIN // FRAME_MS
    for run in np.split(heard, np.flatnonzero(silences) + 1):
        if np.any(speech[run] >= SPEECH_FROM):
            yield int(run[0]), int(run[-1]) + 1
