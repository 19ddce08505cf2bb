"""TTML: cues as the text profile of IMSC 1.1 (https://www.w3.org/TR/ttml-imsc1.1/), which broadcasters and players take."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from domain.subtitles.cues import Cue
from domain.subtitles.formats import clock

_RIGHT_TO_LEFT: Final = frozenset(
    ["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ji", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"]
)

_HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
    xmlns:tts="http://www.w3.org/ns/ttml#styling" xml:lang={language} ttp:timeBase="media"
    ttp:contentProfiles="http://www.w3.org/ns/ttml/profile/imsc1.1/text">
  <head>
    <styling>
      <style xml:id="speech" tts:color="white" tts:backgroundColor="black" tts:direction="{direction}"
             tts:fontFamily="proportionalSansSerif" tts:fontSize="100%" tts:textAlign="center"/>
    </styling>
    <layout>
      <region xml:id="below" tts:origin="5% 55%" tts:extent="90% 40%" tts:displayAlign="after"/>
    </layout>
  </head>
  <body>
    <div region="below" style="speech">
"""
_FOOT: Final = "    </div>\n  </body>\n</tt>\n"


def to_ttml(cues: Sequence[Cue], language: str) -> str:
    """A document with a paragraph for each cue; `language` is a BCP 47 tag, empty where it is unknown."""
    primary = language.lower().partition("-")[0]
    head = _HEAD.format(
        language=quoteattr(language or "und"), direction="rtl" if primary in _RIGHT_TO_LEFT else "ltr"
    )
    return head + "".join(_paragraph(cue) for cue in cues) + _FOOT


def _paragraph(cue: Cue) -> str:
    text = "<br/>".join(escape(line) for line in cue.lines)
    return f'      <p begin="{clock(cue.start_ms, ".")}" end="{clock(cue.end_ms, ".")}">{text}</p>\n'
