"""How far a transcript is from what was said."""

import re
from typing import Final

from rapidfuzz.distance import Levenshtein

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def word_error_rate(said: str, heard: str) -> float:
    """Words inserted, deleted or replaced, per word said; case and punctuation do not count."""
    words = _words(said)
    assert words, "nothing was said"
    return Levenshtein.distance(words, _words(heard)) / len(words)


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]
