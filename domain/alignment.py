"""Alignment: the sound that typed words are looked for in, and what is believed of where an engine finds them.

Their times are estimated until then. Words that were heard stay where they are; they are aligned beside the typed ones
because an engine finds words best among those that are really there, and because they show whether to believe it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from domain.matching import matches
from domain.tokens import key_of
from domain.transcript import Segment, Transcript, Word

SOUND_MS_MAX: Final = 28_000
"""Whisper hears half a minute at once."""
WORDS_MAX: Final = 100
CONTEXT_WORDS: Final = 8
"""Before the typed words, and as many after them."""
MARGIN_MS: Final = 200
DEVIATION_MS_MAX: Final = 300.0
"""Who places the words that were heard further off than that, in the median, is not believed about the others either."""
PROBABILITY_MIN: Final = 0.05
"""Of the typed words in the mean: less likely ones were hardly said."""


class Found(Struct, frozen=True, kw_only=True):
    """Where an engine finds a word, in ms from the start of the recording, and how likely it takes it to be said there."""

    start_ms: int
    end_ms: int
    probability: float


class Stretch(Struct, frozen=True, kw_only=True):
    """Sound, and the words that are said in it. `first` is the number of its first word; those from `typed` to before `untyped` are to be found."""

    start_ms: int
    end_ms: int
    language: str
    first: int
    typed: int
    untyped: int
    words: tuple[str, ...]


def stretches_of(transcript: Transcript) -> list[Stretch]:
    """One for each run of words whose times are estimated, but for those that are too long to be heard at once."""
    words = list(transcript.words)
    languages = [
        segment.language or transcript.language for segment in transcript.segments for _ in segment.words
    ]
    return [
        stretch
        for typed, untyped in runs_of_estimated(words)
        if (stretch := _stretch(transcript.duration_ms, words, languages[typed], typed, untyped))
    ]


def runs_of_estimated(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """The number of the first word of each run, and of the first after it."""
    for is_estimated, run in groupby(enumerate(words), key=lambda each: each[1].timing == "estimated"):
        if is_estimated:
            numbers = [number for number, _ in run]
            yield numbers[0], numbers[-1] + 1


def room_of(words: Sequence[Word], first: int, end: int, duration_ms: int) -> tuple[int, int]:
    """The time between the words before and after a run."""
    before_ms = words[first - 1].end_ms if first else 0
    after_ms = words[end].start_ms if end < len(words) else max(duration_ms, words[-1].end_ms)
    return before_ms, max(before_ms, after_ms)


def _stretch(
    duration_ms: int, words: Sequence[Word], language: str, typed: int, untyped: int
) -> Stretch | None:
    """With as many words around the typed ones as fit."""
    for context in range(CONTEXT_WORDS, -1, -1):
        first, end = max(0, typed - context), min(len(words), untyped + context)
        before_ms, after_ms = room_of(words, first, end, duration_ms)
        if context:
            before_ms = max(before_ms, words[first].start_ms - MARGIN_MS)
            after_ms = min(after_ms, words[end - 1].end_ms + MARGIN_MS)
        if 0 < after_ms - before_ms <= SOUND_MS_MAX and end - first <= WORDS_MAX:
            return Stretch(
                start_ms=before_ms,
                end_ms=after_ms,
                language=language,
                first=first,
                typed=typed,
                untyped=untyped,
                words=tuple(word.text for word in words[first:end]),
            )
    return None


def with_times(transcript: Transcript, answers: Iterable[tuple[Stretch, Sequence[Found]]]) -> Transcript:
    """The transcript with the times of the words that were found, and all others as they were."""
    words = list(transcript.words)
    for stretch, found in answers:
        if len(found) == len(stretch.words) and _is_believed(words, stretch, found):
            words[stretch.typed : stretch.untyped] = _placed(
                words,
                stretch,
                found,
                room_of(words, stretch.typed, stretch.untyped, transcript.duration_ms),
            )
    return with_words(transcript, words)


def with_times_of(edited: Transcript, before: Transcript) -> Transcript:
    """An edited transcript, in which typed words that were aligned before, all of a run of them, keep those times."""
    words, kept = list(edited.words), list(before.words)
    was = dict[int, Word]()
    for match in matches(_keys(kept), _keys(words)):
        was |= {match.after + each: kept[match.before + each] for each in range(match.count)}
    for first, end in runs_of_estimated(list(words)):
        run = [was.get(number) for number in range(first, end)]
        times = [word for word in run if word is not None and word.timing == "aligned"]
        before_ms, after_ms = room_of(words, first, end, edited.duration_ms)
        if len(times) == end - first and before_ms <= times[0].start_ms and times[-1].end_ms <= after_ms:
            words[first:end] = [
                replace(word, start_ms=time.start_ms, end_ms=time.end_ms, timing="aligned")
                for word, time in zip(words[first:end], times, strict=True)
            ]
    return with_words(edited, words)


def _keys(words: Sequence[Word]) -> list[str]:
    return [key_of(word.text) for word in words]


def with_words(transcript: Transcript, words: Sequence[Word]) -> Transcript:
    """The transcript with other words in the places of its own, as many of them."""
    rest = iter(words)
    segments = [
        Segment(words=tuple(next(rest) for _ in segment.words), language=segment.language)
        for segment in transcript.segments
    ]
    return replace(transcript, segments=tuple(segments))


def _is_believed(words: Sequence[Word], stretch: Stretch, found: Sequence[Found]) -> bool:
    typed = found[stretch.typed - stretch.first : stretch.untyped - stretch.first]
    if sum(each.probability for each in typed) < PROBABILITY_MIN * len(typed):
        return False
    beside = zip(words[stretch.first : stretch.first + len(found)], found, strict=True)
    deviations = [abs(word.start_ms - each.start_ms) for word, each in beside if word.timing != "estimated"]
    return not deviations or median(deviations) <= DEVIATION_MS_MAX


def _placed(
    words: Sequence[Word], stretch: Stretch, found: Sequence[Found], room: tuple[int, int]
) -> Sequence[Word]:
    """Within the room that the words around leave, and none before the one before it; as they were where no time is left for one."""
    before_ms, after_ms = room
    typed = found[stretch.typed - stretch.first : stretch.untyped - stretch.first]
    starts = [min(max(each.start_ms, before_ms), after_ms) for each in typed]
    ends = [min(max(each.end_ms, before_ms), after_ms) for each in typed]
    ends = [min(end, start) for end, start in zip(ends, [*starts[1:], after_ms], strict=True)]
    run = words[stretch.typed : stretch.untyped]
    is_in_order = all(before <= after for before, after in pairwise(starts))
    if not is_in_order or any(end <= start for start, end in zip(starts, ends, strict=True)):
        return run
    return [
        replace(word, start_ms=start, end_ms=end, timing="aligned")
        for word, start, end in zip(run, starts, ends, strict=True)
    ]
