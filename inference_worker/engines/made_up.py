"""Tells words that nobody said: phrases with hardly any voice under them, and repetitions faster than anybody speaks.

Voice detection comes first and keeps noise and music from a model altogether; this is for what gets through.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise, zip_longest
from statistics import geometric_mean, mean
from typing import Final, TypeAlias

from domain.transcript import Segment, Word

VOICED_SHARE_MIN: Final = 0.1
"""Of 566 s of real speech, far-field and noisy, one phrase had less, and it was made up; the next one had 0.24."""
SURE_FROM: Final = 0.5
"""Mean probability of the words: that made-up phrase had 0.37, phrases with little voice that were said 0.85 and more."""
HALF_VOICED: Final = 0.5
HARDLY_SURE_BELOW: Final = 0.25
"""Geometric mean, which one word of 0.02 spoils: Whisper's `Thank you.` after the last word, over the end of it, had 0.13."""
TIMES_MIN: Final = 3
LOOP_WORDS_MAX: Final = 8
WORDS_PER_SECOND_MAX: Final = 10.0
"""Over voice; in the same recordings nobody said more than 7.8."""

VoicedMs: TypeAlias = Callable[[int, int], int]
"""How much voice there is between two moments of the recording."""


def is_made_up(words: Sequence[Word], voiced_ms: VoicedMs) -> bool:
    """Whether nobody can have said these words of one segment."""
    start_ms, end_ms = words[0].start_ms, words[-1].end_ms
    voiced = voiced_ms(start_ms, end_ms)
    return _is_hardly_voiced(words, voiced, end_ms - start_ms) or _is_fast_loop(words, voiced)


def without_made_up(segments: Sequence[Segment], voiced_ms: VoicedMs) -> list[Segment]:
    """The segments that somebody can have said."""
    kept: list[Segment] = []
    for segment, after in zip_longest(segments, segments[1:]):
        beside = [each for each in (*kept[-1:], after) if each is not None]
        if not is_made_up(segment.words, voiced_ms) and not _is_echo(segment, beside, voiced_ms):
            kept.append(segment)
    return kept


def _is_echo(segment: Segment, beside: Sequence[Segment], voiced_ms: VoicedMs) -> bool:
    """Whether it is what is said beside it, in a time in which nobody can say it."""
    words = segment.words
    return _is_too_fast(words, voiced_ms(words[0].start_ms, words[-1].end_ms)) and any(
        bare_words(words) == bare_words(each.words) for each in beside
    )


def _is_too_fast(words: Sequence[Word], voiced_ms: int) -> bool:
    return len(words) * 1000 > WORDS_PER_SECOND_MAX * voiced_ms


def _is_hardly_voiced(words: Sequence[Word], voiced_ms: int, length_ms: int) -> bool:
    sure = [word.probability for word in words if word.probability is not None]
    if not sure or voiced_ms >= HALF_VOICED * length_ms:
        return False
    hardly_sure = geometric_mean([max(each, 1e-6) for each in sure]) < HARDLY_SURE_BELOW
    return hardly_sure or (voiced_ms < VOICED_SHARE_MIN * length_ms and mean(sure) < SURE_FROM)


def _is_fast_loop(words: Sequence[Word], voiced_ms: int) -> bool:
    return _is_too_fast(words, voiced_ms) and loops(words)


def bare_words(words: Sequence[Word]) -> Sequence[str]:
    return ["".join(sign for sign in word.text.lower() if sign.isalnum()) for word in words]


def loops(words: Sequence[Word]) -> bool:
    """Whether a phrase comes three times in a row."""
    said = bare_words(words)
    return any(
        all(one == other for one, other in pairwise(_phrases(said, begin, size)))
        for size in range(1, LOOP_WORDS_MAX + 1)
        for begin in range(len(said) - TIMES_MIN * size + 1)
    )


def _phrases(said: Sequence[str], begin: int, size: int) -> list[Sequence[str]]:
    return [said[begin + at * size : begin + (at + 1) * size] for at in range(TIMES_MIN)]
