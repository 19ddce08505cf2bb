"""Finds voice that no word accounts for, so that it is heard again, and says whether the second hearing is the better one.

faster-whisper goes on after the last word of a chunk, and where word times were stretched over speech that the model
left out, that speech is never heard (`generate_segments`: `seek` is set to the end of the last word).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from domain.transcript import Segment, Word
from inference_worker.engines.made_up import SURE_FROM, VoicedMs, bare_words

UNHEARD_MS_MIN: Final = 1_500
"""Of voice without a word: pauses between words hold less, and so do sighs and laughter, mostly."""
WORD_MS_MAX: Final = 1_000
DIGIT_MS_MAX: Final = 500
"""A number is one word however long it takes to say it: `1984`, `5.00`."""
SURETY_LOST_MAX: Final = 0.05
"""Words give way to others that are less sure by no more."""
SURETY_OF_SAME_LOST_MAX: Final = 0.1
"""Two hearings of the same words differ by up to 0.06 in mean probability; a limit of 0.05 cost a recording eight words."""


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
    """More words: as sure of those that stay, sure of those that are new, and no less than of those that go.

    Not the means of all are compared: words that were left out before were hard to hear, and are the less sure for it.
    """
    new, old = ([word for segment in segments for word in segment.words] for segments in (second, first))
    if len(new) <= len(old):
        return False
    kept = _in_both(old, new)
    before, after = ([words[at] for at in places] for words, places in zip((old, new), kept, strict=True))
    gone, added = (_without(words, places) for words, places in zip((old, new), kept, strict=True))
    return (
        _surety(after) >= _surety(before) - SURETY_OF_SAME_LOST_MAX
        and _surety(added) >= SURE_FROM
        and (not gone or _surety(added) >= _surety(gone) - SURETY_LOST_MAX)
    )


def _in_both(old: Sequence[Word], new: Sequence[Word]) -> tuple[Sequence[int], Sequence[int]]:
    """Where in the one and where in the other the words are that both have, in the same order."""
    matcher = SequenceMatcher(None, bare_words(old), bare_words(new), autojunk=False)
    blocks = matcher.get_matching_blocks()
    return [a + at for a, _, size in blocks for at in range(size)], [
        b + at for _, b, size in blocks for at in range(size)
    ]


def _without(words: Sequence[Word], places: Collection[int]) -> Sequence[Word]:
    left_out = set(places)
    return [word for at, word in enumerate(words) if at not in left_out]


def _surety(words: Sequence[Word]) -> float:
    known = [word.probability for word in words if word.probability is not None]
    return sum(known) / len(known) if known else 1.0
