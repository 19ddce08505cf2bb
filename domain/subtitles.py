"""Subtitles: cues of at most two lines of 42 characters and seven seconds, timed by the words in them."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from domain.transcript import Transcript, Word

LINE_CHARACTERS_MAX: Final = 42
"""Netflix Timed Text Style Guide, English: 42 characters, 2 lines, 7 seconds."""
LINES_MAX: Final = 2
CUE_MS_MAX: Final = 7_000
PAUSE_MS: Final = 1_000
"""A silence this long between two words ends a cue, so that no text stands over it."""
_SENTENCE_END: Final = (".", "!", "?", "…", "。", "！", "？")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Cue(Struct, frozen=True, kw_only=True):
    """Lines shown from `start_ms` to `end_ms`: the start of the first word and the end of the last."""

    start_ms: int
    end_ms: int
    words: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        return _wrap(self.words)


def cues_of(transcript: Transcript) -> list[Cue]:
    """Cues in order, none overlapping the next, every word of the transcript in exactly one."""
    cues: list[Cue] = []
    for group in _groups(list(transcript.words)):
        start_ms = max(group[0].start_ms, cues[-1].end_ms if cues else 0)
        end_ms = max(word.end_ms for word in group)
        words = tuple(word.text for word in group)
        if end_ms > start_ms:
            cues.append(Cue(start_ms=start_ms, end_ms=end_ms, words=words))
        elif cues:
            cues[-1] = replace(cues[-1], words=cues[-1].words + words)
        else:  # Nothing was said before: the words wait for the first moment that has a length.
            cues.append(Cue(start_ms=start_ms, end_ms=start_ms, words=words))
    return list(_without_empty_start(cues))


def _without_empty_start(cues: Sequence[Cue]) -> Iterator[Cue]:
    if len(cues) > 1 and cues[0].end_ms == cues[0].start_ms:
        yield replace(cues[1], words=cues[0].words + cues[1].words)
        yield from cues[2:]
    else:
        yield from cues


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and _ends_before(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _ends_before(group: Sequence[Word], word: Word) -> bool:
    """Whether the cue must end before `word`: it would be too long, too full, or run over a pause."""
    if word.start_ms - group[-1].end_ms >= PAUSE_MS:
        return True
    if word.end_ms - group[0].start_ms > CUE_MS_MAX:
        return True
    texts = [each.text for each in group]
    if len(_wrap([*texts, word.text])) > LINES_MAX:
        return True
    return texts[-1].rstrip().endswith(_SENTENCE_END) and len(_wrap(texts)) == LINES_MAX


def _wrap(words: Sequence[str]) -> list[str]:
    """Lines of whole words; a word longer than a line has a line of its own."""
    lines = [""]
    for word in words:
        clean = _CONTROL.sub("", " ".join(word.split()))
        glued = word == word.lstrip() and word != ""
        joined = lines[-1] + clean if glued or not lines[-1] else f"{lines[-1]} {clean}"
        if len(joined) <= LINE_CHARACTERS_MAX or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(clean)
    return [line for line in lines if line]


def to_srt(cues: Sequence[Cue]) -> str:
    """SubRip: counted from 1, comma before the milliseconds. It knows no escapes, so an arrow is shortened."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_srt_text(cue)}\n"
        for number, cue in enumerate(cues, 1)
    )


def to_vtt(cues: Sequence[Cue]) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): header, dot before the milliseconds, `& < >` escaped."""
    blocks = [
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_vtt_text(cue)}\n" for cue in cues
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _srt_text(cue: Cue) -> str:
    return "\n".join(cue.lines).replace("-->", "->")


def _vtt_text(cue: Cue) -> str:
    text = "\n".join(cue.lines)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, separator: str) -> str:
    seconds, rest = divmod(ms, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{rest:03}"
