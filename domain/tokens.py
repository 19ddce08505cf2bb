"""Tokens: the words of a text as people write it, down to single signs in scripts that write without spaces."""

import re
from collections.abc import Iterator
from typing import Final
from unicodedata import normalize

from wcwidth import iter_graphemes

UNSPACED: Final = (
    r"\u0e01-\u0e5b\u0e81-\u0edf"  # Thai and Lao
    r"\u1000-\u109f\u1780-\u17ff\uaa60-\uaa7f\ua9e0-\ua9fe"  # Burmese and Khmer
    r"\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese
)
"""Scripts that put no space between words, by the blocks of the Unicode Standard (chapters 16 and 18)."""
_JOINING: Final = r"\u0300-\u036f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""Marks, joiners and variation selectors, which belong to the sign before them."""

_STRETCH: Final = re.compile(rf"(\s*)(?:([{UNSPACED}][{UNSPACED}{_JOINING}]*)|([^\s{UNSPACED}]+))")
_UNSPACED_SIGN: Final = re.compile(rf"[{UNSPACED}]")


def tokens_of(text: str) -> list[str]:
    """The words, each with the white space before it; a script without spaces counts each grapheme as a word.

    A grapheme (UAX 29) is what a reader takes for one sign: with its marks, and never a part of it.
    """
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[str]:
    for space, unspaced, spaced in _STRETCH.findall(text):
        if spaced:
            yield space + spaced
            continue
        first, *others = iter_graphemes(unspaced)
        yield space + first
        yield from others


def is_unspaced(sign: str) -> bool:
    """Whether the sign is of a script that puts no space between words."""
    return _UNSPACED_SIGN.match(sign) is not None


def key_of(token: str) -> str:
    """What makes two spellings the same word: letters and digits, without case."""
    folded = normalize("NFC", token).casefold()
    return "".join(sign for sign in folded if sign.isalnum()) or folded.strip()
