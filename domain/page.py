"""Page: a transcript as an HTML document that shows text and times, loads nothing and runs nothing."""

import re
from html import escape
from typing import Final

from domain.subtitles.formats import clock
from domain.transcript import Segment, Transcript

_UNSHOWN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")

_HEAD: Final = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Transcript</title>
<style>
body {{ font: 1rem/1.5 sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem }}
p {{ white-space: pre-line }}
time {{ color: #666; font-size: .8rem }}
</style>
</head>
<body>
"""


def to_html(transcript: Transcript) -> str:
    """A paragraph for each segment, with the time at which it begins."""
    head = _HEAD.format(language=escape(transcript.language or "und"))
    return head + "".join(_paragraph(segment) for segment in transcript.segments) + "</body>\n</html>\n"


def _paragraph(segment: Segment) -> str:
    text = escape(_UNSHOWN.sub("", segment.text))
    time = clock(segment.words[0].start_ms, ".").partition(".")[0]
    return f'<p dir="auto"><time>{time}</time> {text}</p>\n'
