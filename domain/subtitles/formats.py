"""Formats: cues as SubRip, WebVTT, LRC and CSV. Every word stays readable, whatever a format takes for its own signs."""

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import pairwise
from typing import Final

from domain.subtitles.cues import Cue

_ARROW: Final = re.compile(r"-{2,}>")
_TAG: Final = re.compile(r"<\s*/?\s*[A-Za-z][^>]*>")
_OVERRIDE: Final = re.compile(r"\{[^}]*\}")
_ESCAPE: Final = re.compile(r"\\(?=[Nnh])")
_CLOCK: Final = re.compile(r"(\d):(\d{1,2}):(\d{1,2}[.,]\d)")
_LRC_TAG: Final = re.compile(r"\[(\w+:[^\]]*)\]|<(\d+:[^>]*)>")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What makes a spreadsheet run the text of a cell (OWASP, CSV injection)."""


_LRC_SILENCE_MS: Final = 500
"""A shorter one is not worth a line."""


def to_srt(cues: Sequence[Cue]) -> str:
    """SubRip: counted from 1, comma before the milliseconds."""
    return "\n".join(
        f"{number}\n{clock(cue.start_ms, ',')} --> {clock(cue.end_ms, ',')}\n{_srt_text(cue)}\n"
        for number, cue in enumerate(cues, 1)
    )


def to_vtt(cues: Sequence[Cue]) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): header, dot before the milliseconds, `& < >` escaped."""
    blocks = [
        f"{clock(cue.start_ms, '.')} --> {clock(cue.end_ms, '.')}\n{_vtt_text(cue)}\n" for cue in cues
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def to_lrc(cues: Sequence[Cue]) -> str:
    """LRC, which shows a line until the next: so an empty one ends what is followed by silence."""
    return "".join(f"[{_lrc_clock(ms)}]{text}\n" for ms, text in _lrc_lines(cues))


def to_csv(cues: Sequence[Cue]) -> str:
    """CSV (RFC 4180) with a header; a text that a spreadsheet would run has an apostrophe before it."""
    page = StringIO()
    writer = csv.writer(page, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(["number", "start_seconds", "end_seconds", "text"])
    for number, cue in enumerate(cues, 1):
        writer.writerow([number, cue.start_ms / 1_000, cue.end_ms / 1_000, _cell(cue.text)])
    return page.getvalue()


def _srt_text(cue: Cue) -> str:
    """SubRip knows no escapes, and players run or drop what looks like a tag: so such signs become others like them."""
    text = _ARROW.sub("->", "\n".join(cue.lines))
    if _TAG.search(text):
        text = text.translate({ord("<"): "‹", ord(">"): "›"})
    if _OVERRIDE.search(text):
        text = text.translate({ord("{"): "(", ord("}"): ")"})
    return _CLOCK.sub(r"\1∶\2∶\3", _ESCAPE.sub("⧵", text))


def _vtt_text(cue: Cue) -> str:
    text = "\n".join(cue.lines)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lrc_lines(cues: Sequence[Cue]) -> Iterator[tuple[int, str]]:
    for cue, after in pairwise([*cues, None]):
        assert cue is not None
        yield cue.start_ms, _LRC_TAG.sub(r"(\1\2)", cue.text)
        if after is None or after.start_ms - cue.end_ms >= _LRC_SILENCE_MS:
            yield cue.end_ms, ""


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def clock(ms: int, separator: str) -> str:
    """Hours, minutes, seconds and milliseconds; hours have as many digits as they need, and at least two."""
    seconds, rest = divmod(ms, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{rest:03}"


def _lrc_clock(ms: int) -> str:
    """Minutes, seconds and hundredths; the format has no hours."""
    seconds, rest = divmod(ms // 10, 100)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes:02}:{seconds:02}.{rest:02}"
