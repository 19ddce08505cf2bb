"""Words that are wrong in a text: those inserted, left out or replaced, whatever way numbers are written in."""

import re
from typing import Final

from rapidfuzz.distance import Levenshtein

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_DIGIT_BY_DIGIT: Final = re.compile(r"(?<![\w.,])\d(?:(?:, ?|[ \-–])\d){2,}(?!\w|[.,]\d)")
"""Three digits or more that stand alone, one after the other. Two may be a decimal, a score or a span: `1,5`, `2-3`."""


def errors(said: str, heard: str) -> int:
    return int(Levenshtein.distance(words(said), words(heard)))


def words(text: str) -> list[str]:
    return _WORD.findall(_DIGIT_BY_DIGIT.sub(_as_one_number, text.lower().replace("’", "'")))


def _as_one_number(digits: re.Match[str]) -> str:
    """`1, 2, 3, 4` and `1-2-3-4` are `1234`, which is said in the same words.

    OpenAI's normaliser, by which Whisper's own error rates are measured, understands `one oh one` as `101` in the same way:
    https://github.com/openai/whisper/blob/main/whisper/normalizers/english.py
    """
    return "".join(re.findall(r"\d", digits.group()))
