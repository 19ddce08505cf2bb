"""Finds voice that no word accounts for, so that it is heard again, and says whether the second hearing is the better one.

faster-whisper goes on after the last word of a chunk, and where word times were stretched over speech that the model
left out, that speech is never heard (`generate_segments`: `seek` is set to the end of the last word).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from domain.transcript import Segment, Word
from inference_worker.engines.made_up import SURE_FROM, VoicedMs

UNHEARD_MS_MIN: Final = 1_500
"""Of voice without a word: pauses between words hold less, and so do sighs and laughter, mostly."""
WORD_MS_MAX: Final = 1_000
DIGIT_MS_MAX: Final = 500
"""A number is one word however long it takes to say it: `1984`, `5.00`."""
SURETY_LOST_MAX: Final = 0.05
"""Two hearings of the same words differ by as much in mean probability."""


class Gap(NamedTuple):
    """A part of the window to hear again: the segments from `first` up to `last`, none where both are the same."""

    start_ms: int
    end_ms: int
    first: int
    last: int


def gaps_in(segments: Sequence[Segment], start_ms: int, end_ms: int, voiced_ms: VoicedMs) -> Iterator[Gap]:
    """From the first to the last: segments in which words were stretched over voice, and voice between segments."""
    edges = [start_ms, *(segment.words[0].start_ms for segment in segments), end_ms]
    heard_until_ms = start_ms
    for at, segment in enumerate(segments):
        if voiced_ms(heard_until_ms, edges[at + 1]) >= UNHEARD_MS_MIN:
            yield Gap(heard_until_ms, edges[at + 1], at, at)
        if any(voiced_ms(*hole) >= UNHEARD_MS_MIN for hole in _holes(segment.words)):
            yield Gap(edges[at + 1], edges[at + 2], at, at + 1)
        heard_until_ms = segment.words[-1].end_ms
    if voiced_ms(heard_until_ms, end_ms) >= UNHEARD_MS_MIN:
        yield Gap(heard_until_ms, end_ms, len(segments), len(segments))


def _holes(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Where within a segment nothing can have been said of it: after a word's longest time until the next one."""
    for at, word in enumerate(words):
        said_until_ms = min(word.end_ms, word.start_ms + _longest_ms(word.text))
        yield said_until_ms, words[at + 1].start_ms if at + 1 < len(words) else word.end_ms


def _longest_ms(text: str) -> int:
    return WORD_MS_MAX + DIGIT_MS_MAX * sum(sign.isdigit() for sign in text)


def is_better(second: Iterable[Segment], first: Iterable[Segment]) -> bool:
    """More words, and as sure of them as of those they replace."""
    new, old = ([word for segment in segments for word in segment.words] for segments in (second, first))
    return len(new) > len(old) and _surety(new) >= (_surety(old) - SURETY_LOST_MAX if old else SURE_FROM)


def _surety(words: Sequence[Word]) -> float:
    known = [word.probability for word in words if word.probability is not None]
    return sum(known) / len(known) if known else 1.0
