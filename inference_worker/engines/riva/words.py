"""Riva's answers as segments: whole milliseconds become times in the recording, confidences probabilities."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

from domain.languages import language_tag_of
from domain.ports import Window
from domain.transcript import Segment, Word
from inference_worker import faults
from inference_worker.faults import Fault


def segments_of(results: Iterable[Any], piece: Window, told: str | None) -> Iterator[Segment]:
    """Each result is a segment; `told` is the language that was asked for. Raises Fault when words have no times."""
    last_ms = piece.start_ms
    for result in results:
        if not result.alternatives:
            continue
        best = result.alternatives[0]
        if best.transcript.strip() and not best.words:
            raise Fault(
                faults.ENGINE_REFUSED,
                permanent=True,
                problem="STENOLOG_RIVA_MODEL: this model tells no times of words, which subtitles need",
            )
        heard = _words(best, piece, last_ms)
        if heard:
            last_ms = heard[-1].end_ms
            yield Segment(words=heard, language=told or _language(best))


def _words(alternative: Any, piece: Window, last_ms: int) -> tuple[Word, ...]:
    placed = []
    texts = texts_in(alternative.transcript, [each.word for each in alternative.words])
    for text, heard in zip(texts, alternative.words, strict=True):
        if not text.strip():
            continue
        start_ms = min(max(piece.start_ms + heard.start_time, last_ms), piece.end_ms)
        last_ms = min(max(piece.start_ms + heard.end_time, start_ms), piece.end_ms)
        placed.append(
            Word(text=text, start_ms=start_ms, end_ms=last_ms, probability=probability_of(heard.confidence))
        )
    return tuple(placed)


def texts_in(transcript: str, words: Sequence[str]) -> Sequence[str]:
    """The words as they stand in the transcript, each with the white space before it and the signs after it.

    So nothing of the punctuation is lost, and no space comes between words of a script that has none. Where the
    transcript has other words than those with times, these count.
    """
    places = _places(transcript, words)
    if places is None:
        return [f" {word.strip()}" for word in words]
    inner = [_cut_between(transcript, end, start) for (_, end), (start, _) in pairwise(places)]
    cuts = [0, *inner, len(transcript)]
    texts = [transcript[begin:end].rstrip() for begin, end in pairwise(cuts)]
    return [f" {texts[0].lstrip()}", *texts[1:]]


def _places(transcript: str, words: Sequence[str]) -> Sequence[tuple[int, int]] | None:
    """Where each word begins and ends, one after the other with nothing but signs between; None if it is not so."""
    places: list[tuple[int, int]] = []
    cursor = 0
    for word in words:
        found = re.compile(re.escape(word.strip()), re.IGNORECASE).search(transcript, cursor)
        if not word.strip() or found is None or _has_words(transcript[cursor : found.start()]):
            return None
        places.append(found.span())
        cursor = found.end()
    return None if not places or _has_words(transcript[cursor:]) else places


def _has_words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def _cut_between(transcript: str, end: int, start: int) -> int:
    """Signs belong to the word before them, up to the white space."""
    space = re.compile(r"\s").search(transcript, end, start)
    return space.start() if space else start


def probability_of(confidence: float) -> float | None:
    """Riva's protocol has the natural logarithm of a probability, and 0 for none; some models send the probability."""
    if confidence == 0.0 or confidence > 1.0 or math.isnan(confidence):
        return None
    return round(confidence if confidence > 0.0 else math.exp(confidence), 4)


def _language(alternative: Any) -> str | None:
    codes = chain(alternative.language_code, (each.language_code for each in alternative.words))
    return next((tag for code in codes if (tag := language_tag_of(code)) is not None), None)
