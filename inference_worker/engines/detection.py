"""Which language is spoken when in a window: every few seconds of speech are asked, and doubtful answers give way.

Whisper's own detection hears the first half minute alone, and calls a mixture by its louder half.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from domain.ports import UNDETERMINED, Recognised, Window
from domain.transcript import Segment
from inference_worker.voice import FRAME_MS, SPEECH_FROM, VOICE_FROM, Numbers
from infrastructure.media.pcm import BYTES_PER_MS

PIECE_MS_MIN: Final = 1_000
PIECE_MS_MAX: Final = 10_000
PAUSE_MS_MIN: Final = 250
"""Pieces end at pauses: nobody changes language within a word."""
FULL_WEIGHT_MS: Final = 3_000
"""An answer about less speech weighs less, and one about more weighs more, up to twice as much."""
DOUBTFUL_BELOW: Final = 0.7
"""A stretch that its pieces leave in doubt is asked about as a whole, of which Whisper hears half a minute."""
WHOLE_MS_MAX: Final = 30_000
SPEECH_MS_MIN: Final = 600
"""Less says nothing about a language."""
DOUBT: Final = 0.001
"""No answer is surer than this that a language is not spoken."""
CHANGE_COST: Final = 4.6
"""What a change of language has to gain in log-likelihood: it has to be a hundred times as likely (log 100)."""

Answer: TypeAlias = Mapping[str, float]
"""The probability of each language."""


class Piece(Struct, frozen=True):
    """A few seconds of a window, in ms from its start, and how much of it is speech."""

    start_ms: int
    end_ms: int
    speech_ms: int


class Stretch(Struct, frozen=True, kw_only=True):
    """A part of a window in one language; None where nobody speaks."""

    start_ms: int
    end_ms: int
    language: str | None
    probability: float | None = None
    speech_ms: int = 0


def pieces_of(speech: Numbers, end_ms: int) -> Sequence[Piece]:
    """The window in pieces, from its start to its end, by the voice detector's probability for each frame.

    Sure voice says what language it is; where there is too little of it in all pieces, a quiet voice has to.
    """
    pieces = _pieces(speech >= VOICE_FROM, end_ms)
    if any(piece.speech_ms >= SPEECH_MS_MIN for piece in pieces):
        return pieces
    return _pieces(speech >= SPEECH_FROM, end_ms)


def _pieces(is_speech: Iterable[object], end_ms: int) -> Sequence[Piece]:
    spoken = [bool(each) for each in is_speech]
    cuts = [0, *_cuts(spoken), end_ms]
    return [
        Piece(start, end, sum(spoken[start // FRAME_MS : end // FRAME_MS]) * FRAME_MS)
        for start, end in pairwise(cuts)
        if end > start
    ]


def _cuts(spoken: Sequence[bool]) -> list[int]:
    """In the middle of the first pause after the shortest piece, and where a piece would be too long."""
    cuts: list[int] = []
    begin, silence = 0, 0
    for number, is_speech in enumerate(spoken):
        at_ms = number * FRAME_MS
        if is_speech and silence * FRAME_MS >= PAUSE_MS_MIN:
            middle_ms = at_ms - silence * FRAME_MS // 2
            if middle_ms - begin >= PIECE_MS_MIN:
                begin = middle_ms
                cuts.append(begin)
        silence = 0 if is_speech else silence + 1
        if at_ms - begin >= PIECE_MS_MAX and is_speech:
            begin = at_ms
            cuts.append(begin)
    return cuts


def likeliest(answers: Sequence[Answer], pieces: Sequence[Piece], before: str | None) -> Sequence[str]:
    """The language of each piece, so that the whole is as likely as can be and changes cost (Viterbi, 1967).

    `before` is the language of what was said earlier.
    """
    names = sorted({before or UNDETERMINED, *(max(each, key=each.__getitem__) for each in answers)})
    costs = {name: 0.0 if before in (None, name) else CHANGE_COST for name in names}
    ways: list[dict[str, str]] = []
    for answer, piece in zip(answers, pieces, strict=True):
        cheapest = min(names, key=lambda name: costs[name])
        came_from = {
            name: name if costs[name] <= costs[cheapest] + CHANGE_COST else cheapest for name in names
        }
        weight = min(2.0, piece.speech_ms / FULL_WEIGHT_MS)
        costs = {
            name: min(costs[name], costs[cheapest] + CHANGE_COST)
            - weight * math.log(max(answer.get(name, 0.0), DOUBT))
            for name in names
        }
        ways.append(came_from)
    return _way_back(ways, min(names, key=lambda name: costs[name])) if ways else []


def _way_back(ways: Sequence[Mapping[str, str]], last: str) -> Sequence[str]:
    languages = [last]
    for came_from in ways[:0:-1]:
        languages.append(came_from[languages[-1]])
    return languages[::-1]


def stretches_of(
    pieces: Sequence[Piece], answers: Mapping[Piece, Answer], before: str | None
) -> Sequence[Stretch]:
    """The window in stretches of one language each; pieces without an answer go with what is before them."""
    asked = [piece for piece in pieces if piece in answers]
    named = dict(zip(asked, likeliest([answers[each] for each in asked], asked, before), strict=True))
    language = named[asked[0]] if asked else None
    languages = [language := named.get(piece, language) for piece in pieces]
    grouped = groupby(zip(pieces, languages, strict=True), key=lambda each: each[1])
    return [_stretch([piece for piece, _ in group], name, answers) for name, group in grouped]


def _stretch(pieces: Sequence[Piece], language: str | None, answers: Mapping[Piece, Answer]) -> Stretch:
    asked = [piece for piece in pieces if piece in answers]
    speech_ms = sum(piece.speech_ms for piece in asked)
    surely_ms = sum(piece.speech_ms * answers[piece].get(language or "", 0.0) for piece in asked)
    return Stretch(
        start_ms=pieces[0].start_ms,
        end_ms=pieces[-1].end_ms,
        language=language,
        probability=round(surely_ms / speech_ms, 4) if speech_ms else None,
        speech_ms=speech_ms,
    )


def detect(window: Window, speech: Numbers, ask: Callable[[bytes], Answer]) -> Sequence[Stretch]:
    """The window's stretches, in ms from the start of the recording. `ask` is told a few seconds of sound."""

    def asked(start_ms: int, end_ms: int) -> Answer:
        return ask(window.pcm[start_ms * BYTES_PER_MS : end_ms * BYTES_PER_MS])

    pieces = pieces_of(speech, window.end_ms - window.start_ms)
    answers = {
        piece: asked(piece.start_ms, piece.end_ms) for piece in pieces if piece.speech_ms >= SPEECH_MS_MIN
    }
    stretches = [_surer(each, asked) for each in stretches_of(pieces, answers, window.language_before)]
    return [
        replace(each, start_ms=window.start_ms + each.start_ms, end_ms=window.start_ms + each.end_ms)
        for each in _merged(stretches)
    ]


def _surer(stretch: Stretch, asked: Callable[[int, int], Answer]) -> Stretch:
    if stretch.probability is None or stretch.probability >= DOUBTFUL_BELOW:
        return stretch
    answer = asked(stretch.start_ms, min(stretch.end_ms, stretch.start_ms + WHOLE_MS_MAX))
    best = max(answer, key=answer.__getitem__)
    if answer[best] <= stretch.probability:
        return stretch
    return replace(stretch, language=best, probability=round(answer[best], 4))


def _merged(stretches: Sequence[Stretch]) -> Sequence[Stretch]:
    """Neighbours in one language are one stretch."""
    merged: list[Stretch] = []
    for each in stretches:
        if merged and merged[-1].language == each.language:
            merged[-1] = _together(merged[-1], each)
        else:
            merged.append(each)
    return merged


def _together(one: Stretch, other: Stretch) -> Stretch:
    speech_ms = one.speech_ms + other.speech_ms
    surely_ms = sum(each.speech_ms * (each.probability or 0.0) for each in (one, other))
    return Stretch(
        start_ms=one.start_ms,
        end_ms=other.end_ms,
        language=one.language,
        probability=round(surely_ms / speech_ms, 4) if speech_ms else None,
        speech_ms=speech_ms,
    )


def recognised_of(segments: Sequence[Segment], stretches: Sequence[Stretch]) -> Recognised:
    """The language of the window is the one that most is said in, by speech and by how sure that is."""
    if not segments:
        return Recognised(segments=(), language=UNDETERMINED)
    surely: dict[str, float] = defaultdict(float)
    for each in stretches:
        surely[each.language or UNDETERMINED] += each.speech_ms * (each.probability or 0.0)
    main = max(surely, key=lambda name: surely[name])
    speech_ms = sum(each.speech_ms for each in stretches if each.language == main)
    probability = round(surely[main] / speech_ms, 4) if speech_ms else None
    return Recognised(segments=segments, language=main, language_probability=probability)
