"""Edits: how a text that people changed keeps the times of the words they kept.

What is written together is aligned as one, whatever pieces the engine heard it in; what nobody changed comes back
as it was heard, piece by piece.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from domain.cells import cells, shares, shown
from domain.matching import matches
from domain.tokens import key_of, tokens_of
from domain.transcript import Segment, Timing, Transcript, Word

CELL_MS: Final = 1_000 // 17
"""What people type takes the time it takes to read, at 17 characters a second, where there is so much."""


class _Heard(Struct, frozen=True):
    """A token of the text before: its time, and the group of words and tokens that it belongs to."""

    text: str
    start_ms: int
    end_ms: int
    timing: Timing
    group: int


class _Group(Struct, frozen=True):
    """The fewest words that are a whole number of tokens; nearly always one word and one token."""

    segment: int
    words: tuple[Word, ...]
    first: int
    """Its first token, by number."""
    tokens: tuple[str, ...]


class _Placed(Struct, frozen=True):
    """A word and the number of the segment it belongs to."""

    segment: int
    word: Word


def edit(transcript: Transcript, text: str) -> Transcript:
    """The transcript with `text` as its text; words that stayed keep their times."""
    if text == transcript.text:
        return transcript
    placed = list(_Alignment(transcript, tokens_of(text)).placed())
    segments = tuple(
        Segment(
            words=tuple(each.word for each in group), language=_language_of(transcript.segments, number)
        )
        for number, group in groupby(placed, key=lambda each: each.segment)
    )
    return replace(transcript, text=text, segments=segments)


def _language_of(segments: Sequence[Segment], number: int) -> str | None:
    return segments[number].language if segments else None


class _Alignment:
    """The tokens of a new text beside the groups heard, by the shortest edit from the one to the other."""

    def __init__(self, transcript: Transcript, tokens: Sequence[str]) -> None:
        self._duration_ms = transcript.duration_ms
        self._tokens = tokens
        self._groups = list(_groups(transcript.segments))
        self._heard = [each for number, group in enumerate(self._groups) for each in _timed(number, group)]
        self._kept = _kept([each.text for each in self._heard], tokens)

    def placed(self) -> Iterator[_Placed]:
        at, heard_at = 0, 0
        while at < len(self._tokens):
            kept = self._kept[at]
            if kept is None:
                end = self._end_of_run(at)
                heard_end = self._kept[end] if end < len(self._tokens) else len(self._heard)
                assert heard_end is not None
                yield from self._typed(self._tokens[at:end], heard_at, heard_end)
                at, heard_at = end, heard_end
                continue
            group = self._groups[self._heard[kept].group]
            if self._is_unchanged(group, at):
                yield from _again(group, self._tokens[at])
                at, heard_at = at + len(group.tokens), kept + len(group.tokens)
            else:
                yield self._retyped(self._heard[kept], self._tokens[at])
                at, heard_at = at + 1, kept + 1

    def _end_of_run(self, at: int) -> int:
        while at < len(self._tokens) and self._kept[at] is None:
            at += 1
        return at

    def _is_unchanged(self, group: _Group, at: int) -> bool:
        """Whether the tokens from `at` on are all of the group's, written as they were."""
        end = at + len(group.tokens)
        if self._kept[at:end] != list(range(group.first, group.first + len(group.tokens))):
            return False
        written = self._tokens[at:end]
        # The white space before the first may change; between the others it would part what was one.
        return [written[0].strip(), *written[1:]] == [group.tokens[0].strip(), *group.tokens[1:]]

    def _retyped(self, heard: _Heard, token: str) -> _Placed:
        word = Word(
            text=token, start_ms=heard.start_ms, end_ms=heard.end_ms, edited=True, timing=heard.timing
        )
        return _Placed(self._groups[heard.group].segment, word)

    def _typed(self, tokens: Sequence[str], first: int, end: int) -> Iterator[_Placed]:
        """Words in the place of those heard from `first` to before `end`, which may be none."""
        replaced = self._heard[first:end]
        if len(replaced) == len(tokens):
            yield from (self._retyped(*pair) for pair in zip(replaced, tokens, strict=True))
            return
        weights = [max(1, cells(shown(token))) for token in tokens]
        start_ms, end_ms = self._room(first, end, sum(weights) * CELL_MS)
        segment = self._segment_of(first if replaced else max(0, first - 1))
        for token, (begins_ms, ends_ms) in zip(tokens, shares(start_ms, end_ms, weights), strict=True):
            word = Word(text=token, start_ms=begins_ms, end_ms=ends_ms, edited=True, timing="estimated")
            yield _Placed(segment, word)

    def _segment_of(self, heard: int) -> int:
        return self._groups[self._heard[heard].group].segment if self._heard else 0

    def _room(self, first: int, end: int, needed_ms: int) -> tuple[int, int]:
        """The time of what was replaced, and of the silence around it what is needed, that after it first."""
        heard = self._heard
        if not heard:
            return 0, self._duration_ms
        before_ms = heard[first - 1].end_ms if first else 0
        after_ms = heard[end].start_ms if end < len(heard) else max(self._duration_ms, heard[-1].end_ms)
        if first < end:
            start_ms, end_ms = heard[first].start_ms, heard[end - 1].end_ms
        else:
            start_ms = end_ms = before_ms if first else after_ms
        end_ms = max(end_ms, min(after_ms, start_ms + needed_ms))
        start_ms = min(start_ms, max(before_ms, end_ms - needed_ms))
        return start_ms, end_ms


def _kept(before: Sequence[str], after: Sequence[str]) -> list[int | None]:
    """For each token after, which of those before it is, or None."""
    kept: list[int | None] = [None] * len(after)
    keys = [key_of(token) for token in before], [key_of(token) for token in after]
    for match in matches(*keys):
        kept[match.after : match.after + match.count] = range(match.before, match.before + match.count)
    return kept


def _groups(segments: Sequence[Segment]) -> Iterator[_Group]:
    """The words grouped so that each group ends where both a word and a token end."""
    first = 0
    for number, segment in enumerate(segments):
        words = [word for word in segment.words if word.text.strip()]
        tokens = tokens_of("".join(word.text for word in words))
        for heard, written in _cut(words, tokens):
            yield _Group(number, tuple(heard), first, tuple(written))
            first += len(written)


def _cut(words: Sequence[Word], tokens: Sequence[str]) -> Iterator[tuple[list[Word], list[str]]]:
    """Both are the same text; where one reaches further the other follows. White space after a word counts not."""
    left = iter(tokens)
    heard: list[Word] = []
    written: list[str] = []
    ahead = 0  # Signs by which the words are ahead of the tokens.
    for word in words:
        heard.append(word)
        ahead += len("".join(word.text.split()))
        while ahead > 0 and (token := next(left, None)) is not None:
            written.append(token)
            ahead -= len("".join(token.split()))
        if ahead == 0:
            yield heard, written
            heard, written = [], []
    if heard:
        yield heard, written


def _timed(number: int, group: _Group) -> Iterator[_Heard]:
    start_ms, end_ms = group.words[0].start_ms, group.words[-1].end_ms
    if len(group.tokens) == 1:
        yield _Heard(group.tokens[0], start_ms, end_ms, group.words[0].timing, number)
        return
    weights = [max(1, cells(shown(token))) for token in group.tokens]
    for token, (begins_ms, ends_ms) in zip(group.tokens, shares(start_ms, end_ms, weights), strict=True):
        yield _Heard(token, begins_ms, ends_ms, "estimated", number)


def _again(group: _Group, token: str) -> Iterator[_Placed]:
    """The words as they were heard, with the white space that is now before the first."""
    first, *others = group.words
    space = token[: len(token) - len(token.lstrip())]
    yield _Placed(group.segment, replace(first, text=space + first.text.strip()))
    yield from (_Placed(group.segment, word) for word in others)
