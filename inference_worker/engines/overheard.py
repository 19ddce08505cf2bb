"""Finds speech that an engine gave no words for, and puts the words of a second listening in its place.

Whisper sometimes stops in the middle of a sentence and jumps to the end of the sound, as sure of itself as
ever; its last word then seems to last for seconds.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from msgspec import Struct

from domain.transcript import Segment, Word

STRETCHES_MAX: Final = 3
MISSED_MS_MIN: Final = 800
"""Where nothing was missed, words of the sample leave a quarter of a second less than none; 1300 ms and more were losses."""
WORD_MS: Final = 400
SIGN_MS: Final = 150
"""A word may last so long, and so much longer for each of its letters and digits."""

SpeechMs: TypeAlias = Callable[[int, int], int]
"""How much speech there is between two moments of the recording."""


class Stretch(Struct, frozen=True):
    """A word and what follows it until the next word; the first stretch of a window has no word (-1)."""

    word: int
    start_ms: int
    end_ms: int


def missed_stretches(
    segments: Sequence[Segment], start_ms: int, end_ms: int, speech_ms: SpeechMs
) -> Sequence[Stretch]:
    """Where between two moments more is spoken than the words can be, from the last to the first."""
    words = [word for segment in segments for word in segment.words]
    starts = [start_ms, *(word.start_ms for word in words), end_ms]
    stretches = [Stretch(number - 1, *between) for number, between in enumerate(pairwise(starts))]
    missed = [
        each
        for each in stretches
        if speech_ms(each.start_ms, each.end_ms) - _plausible_ms(words, each.word) >= MISSED_MS_MIN
    ]
    return missed[::-1][:STRETCHES_MAX]


def _plausible_ms(words: Sequence[Word], number: int) -> int:
    if number < 0:
        return 0
    return WORD_MS + SIGN_MS * sum(sign.isalnum() for sign in words[number].text)


def put_in_place(
    segments: Sequence[Segment], stretch: Stretch, heard: Sequence[Segment]
) -> Sequence[Segment]:
    """The segments with what was `heard` in a stretch instead of the stretch's word."""
    if not heard:
        return segments
    before: list[Segment] = []
    after: list[Segment] = []
    number = 0
    for segment in segments:
        kept = [(number + at, word) for at, word in enumerate(segment.words)]
        number += len(kept)
        before += _segment([word for at, word in kept if at < stretch.word])
        after += _segment([word for at, word in kept if at > stretch.word])
    return [*before, *heard, *after]


def _segment(words: Sequence[Word]) -> list[Segment]:
    return [Segment(words=tuple(words))] if words else []
