"""Rewording: one word of a transcript written anew, or one text in the place of another throughout."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final
from unicodedata import category, normalize

from msgspec import Struct

from domain.errors import InvalidField
from domain.tokens import UNSPACED, is_unspaced
from domain.transcript import Transcript

FIND_CHARACTERS_MAX: Final = 200
"""Of what is looked for: the time that it takes may grow with this times the text."""
WRITTEN_CHARACTERS_MAX: Final = 1_000
"""Of what is written in the place of a word, or of what was found."""
TEXT_CHARACTERS_MAX: Final = 1_000_000
"""Of a whole transcript: twice what is said in ten hours."""
PART_CHARACTERS: Final = 20_000
"""That are looked through at once, which takes some 10 ms at the most."""
_SIGN: Final = re.compile(r"\S")
_JOINERS: Final = r"\u00ad\u200c\u200d"
_MARKS_FIRST: Final = 0x300
_MARKS_END: Final = 0x20000
"""Beyond are ideographs, and no marks but selectors of variants."""
_VARIATION_SELECTORS: Final = range(0xFE00, 0xFE10)


class Replacement(Struct, frozen=True, kw_only=True):
    """`whole_words` leaves alone what is part of a longer word, or of a sign with its marks; scripts without spaces have no such words.

    However its accents are written, as signs of their own or not, it is the same text.
    """

    find: str
    replace_with: str
    match_case: bool = True
    whole_words: bool = True


def with_word(transcript: Transcript, index: int, written: str) -> str:
    """The text with `written` in the place of one word; with nothing written the word goes, and the space before it.

    Raises InvalidField.
    """
    _require_short("text", written, WRITTEN_CHARACTERS_MAX)
    start, end = _place_of_word(transcript, index)
    before, after = transcript.text[:start], transcript.text[end:]
    if written := written.strip():
        return before + written + after
    return before.rstrip() + after if before.strip() else after.lstrip()


def replaced(text: str, replacement: Replacement) -> tuple[str, int]:
    """The text afterwards, and how often it was replaced. Raises InvalidField."""
    _require_short("find", replacement.find, FIND_CHARACTERS_MAX)
    _require_short("replace_with", replacement.replace_with, WRITTEN_CHARACTERS_MAX)
    if not replacement.find:
        raise InvalidField("find", "is empty: send the text to look for")
    places = list(_places(text, replacement))
    count = len(places)
    lost = sum(end - start for start, end in places)
    if len(text) - lost + count * len(replacement.replace_with) > TEXT_CHARACTERS_MAX:
        raise InvalidField(
            "replace_with",
            f"would make the text longer than {TEXT_CHARACTERS_MAX:,} characters: it would stand there {count:,} times",
        )
    starts, ends = [start for start, _ in places], [end for _, end in places]
    kept = [text[end:start] for end, start in zip([0, *ends], [*starts, len(text)], strict=True)]
    return replacement.replace_with.join(kept), count


def _places(text: str, replacement: Replacement) -> Iterator[tuple[int, int]]:
    """Found part by part, since no other thread of the process does anything while a pattern is looked for."""
    pattern, at = _pattern_of(replacement), 0
    longest = max(len(form) for form in _forms(replacement.find))
    while at < len(text):
        part_end = at + PART_CHARACTERS
        found = pattern.search(text, at, part_end + longest + 1)
        if found is None or found.start() >= part_end:
            at = part_end
        else:
            yield found.span()
            at = found.end()


def _require_short(field: str, text: str, characters_max: int) -> None:
    if len(text) > characters_max:
        raise InvalidField(field, f"may have at most {characters_max:,} characters")


def _place_of_word(transcript: Transcript, index: int) -> tuple[int, int]:
    """Where the word begins and ends in the text, found by signs: white space alone may differ between the two."""
    lengths = [len("".join(word.text.split())) for word in transcript.words]
    if not 0 <= index < len(lengths):
        raise InvalidField(
            "index", f"has no word: there are {len(lengths)} in this revision, and the first is 0"
        )
    signs = [found.start() for found in _SIGN.finditer(transcript.text)]
    first = sum(lengths[:index])
    if not lengths[index] or len(signs) != sum(lengths):
        raise InvalidField(
            "index", "has a word that stands nowhere in the text: send the whole text instead"
        )
    return signs[first], signs[first + lengths[index] - 1] + 1


def _pattern_of(replacement: Replacement) -> re.Pattern[str]:
    find = replacement.find
    pattern = "|".join(re.escape(form) for form in _forms(find))
    if replacement.whole_words:
        word, marks = rf"(?![{UNSPACED}])[\w{_marks()}]", f"[{_marks()}]"
        before = f"(?<!{word})" if _continues(find[0]) else ""
        after = f"(?!{word})" if _continues(_last_letter(find)) else f"(?!{marks})"
        pattern = f"{before}(?:{pattern}){after}"
    return re.compile(pattern, 0 if replacement.match_case else re.IGNORECASE)


def _forms(text: str) -> list[str]:
    """The ways to write it, the longest first: an accent may be a sign of its own."""
    forms = {text, normalize("NFC", text), normalize("NFD", text)}
    return sorted(forms, key=lambda form: (-len(form), form))


def _continues(sign: str) -> bool:
    """Whether another sign beside it would make it part of a longer word."""
    return bool(re.match(r"\w", sign)) and not is_unspaced(sign)


def _last_letter(text: str) -> str:
    """The last sign, without the marks that belong to it."""
    return (re.sub(rf"[{_marks()}]+\Z", "", text) or text)[-1]


@cache
def _marks() -> str:
    """Inside the brackets of a pattern: accents, vowel signs and joiners, which go on the word before them.

    Without those that only say how an emoji looks.
    """
    return _JOINERS + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in _runs_of_marks())


def _runs_of_marks() -> Iterator[tuple[int, int]]:
    first = None
    for number in range(_MARKS_FIRST, _MARKS_END):
        is_mark = category(chr(number)).startswith("M") and number not in _VARIATION_SELECTORS
        if is_mark and first is None:
            first = number
        elif not is_mark and first is not None:
            yield first, number - 1
            first = None
