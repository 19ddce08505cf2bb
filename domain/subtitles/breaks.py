"""Breaks: how badly it reads when a line or a cue ends after a unit."""

import re
from collections.abc import Sequence
from typing import Final

from domain.subtitles.phrases import ABBREVIATIONS, TITLES, Phrases, phrases_of
from domain.subtitles.units import Unit
from domain.tokens import is_unspaced

AFTER_SENTENCE: Final = 0
AFTER_CLAUSE: Final = 2
BEFORE_CONJUNCTION: Final = 4
BEFORE_PREPOSITION: Final = 5
ANYWHERE: Final = 9
BINDING: Final = 25
"""After an article, a preposition, a conjunction, a title; between the names of one person."""
BREAKING: Final = 60
"""Inside a number, or inside a word that is wider than a line."""

_SENTENCE_END: Final = re.compile(r"[.!?…。！？؟।]['\"”’»)\]」』）]*$")
_CLAUSE_END: Final = re.compile(r"[,;:،؛，、；：—–][\"”’»)\]」』）]*$|[)\]»”」』）]$")
_NUMBER: Final = re.compile(r"[-+±$€£¥]?\d[\d.,'’:/]*$")
_MEASURE: Final = re.compile(
    r"(?:%|°\w?|[$€£¥]|[kcmµn]?[mglWVA]|k[mg]/?h?|[kMGT]?B|[kMG]?Hz|million\w*|billion\w*|trillion\w*|Milli\w+|"
    r"percent|Prozent|hundred|thousand|tausend|[ap]\.?m\.?|Uhr)[.,!?;:]*$"
)
_EDGES: Final = "'\"“”‘’«»„()[]¿¡.,;:!?…"


def breaks_after(units: Sequence[Unit], language: str) -> list[int]:
    """One for each unit, from AFTER_SENTENCE to BREAKING; the lower, the better a line ends there."""
    phrases = phrases_of(language)
    costs = [
        _break(units[at - 1] if at else None, unit, units[at + 1], phrases)
        for at, unit in enumerate(units[:-1])
    ]
    return [*costs, AFTER_SENTENCE] if units else []


def _break(before: Unit | None, unit: Unit, after: Unit, phrases: Phrases) -> int:
    if after.joined or _is_number(unit, after):
        return BREAKING
    word, following = _bare(unit.text), _bare(after.text)
    if _ends_sentence(unit.text, word):
        return AFTER_SENTENCE
    if _CLAUSE_END.search(unit.text):
        return AFTER_CLAUSE
    if word in phrases.binders or word in phrases.prepositions or word in TITLES:
        return BINDING
    if word in phrases.conjunctions or _is_name(before, unit, after):
        return BINDING
    if following in phrases.conjunctions:
        return BEFORE_CONJUNCTION
    if following in phrases.prepositions:
        return BEFORE_PREPOSITION
    return ANYWHERE


def _bare(text: str) -> str:
    return text.strip(_EDGES).casefold()


def _ends_sentence(text: str, word: str) -> bool:
    return _SENTENCE_END.search(text) is not None and word not in ABBREVIATIONS and len(word) != 1


def _is_number(unit: Unit, after: Unit) -> bool:
    """Whether both are one quantity: `1 000`, `3.5 million`, `20 %`, and `€ 5`."""
    if _NUMBER.match(unit.text):
        return after.text[0].isdigit() or _MEASURE.match(after.text) is not None
    return unit.text in {"$", "€", "£", "¥", "№", "§", "#"} and after.text[0].isdigit()


def _is_name(before: Unit | None, unit: Unit, after: Unit) -> bool:
    """Whether both may be names of one person or place; the first word of a sentence is written large anyway."""
    if not (unit.text[0].isupper() and after.text[0].isupper()) or is_unspaced(unit.text[0]):
        return False
    return before is not None and not _SENTENCE_END.search(before.text)
