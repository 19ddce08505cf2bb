"""Cells: how much room text takes on a screen, and what of it shows at all."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from wcwidth import iter_graphemes, width

_UNSHOWN: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u2060\ufeff\ufffe\uffff\ud800-\udfff]")
"""Controls, byte order marks, and what XML forbids; what is white space as well becomes a space."""


def shown(text: str) -> str:
    """The text as it shows in one line: without controls, and with one space where any white space was."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    return " ".join(_UNSHOWN.sub("", text).split())


def cells(text: str) -> int:
    """Width in display cells: wide East Asian signs and emoji take two, combining marks none (UAX 11)."""
    return len(text) if text.isascii() else width(text)


def graphemes(text: str) -> Sequence[str]:
    """What readers take for one sign each (UAX 29): a family of emoji, a flag, a letter with its marks."""
    return list(text) if text.isascii() else list(iter_graphemes(text))


def shares(start_ms: int, end_ms: int, weights: Sequence[int]) -> list[tuple[int, int]]:
    """The time from `start_ms` to `end_ms`, shared by weight; each weight is at least 1."""
    total, seen = sum(weights), 0
    moments = [start_ms]
    for weight in weights:
        seen += weight
        moments.append(start_ms + (end_ms - start_ms) * seen // total)
    return list(pairwise(moments))
