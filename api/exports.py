"""Exports: the formats a transcript can be had in, and what a client may ask of the cues in them."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeAlias

import msgspec
from litestar.params import QueryParameter
from msgspec import Struct

from domain.page import to_html
from domain.subtitles.cues import cues_of
from domain.subtitles.formats import to_csv, to_lrc, to_srt, to_vtt
from domain.subtitles.layout import Layout
from domain.subtitles.ttml import to_ttml
from domain.transcript import Transcript

Write: TypeAlias = Callable[[Transcript, Layout], str]


class ExportFormat(Struct, frozen=True):
    media_type: str
    write: Write


FORMATS: Final[Mapping[str, ExportFormat]] = {
    "txt": ExportFormat("text/plain", lambda transcript, _: transcript.text),
    "srt": ExportFormat(
        "application/x-subrip; charset=utf-8",
        lambda transcript, layout: to_srt(cues_of(transcript, layout)),
    ),
    "vtt": ExportFormat("text/vtt", lambda transcript, layout: to_vtt(cues_of(transcript, layout))),
    "json": ExportFormat(
        "application/json", lambda transcript, _: msgspec.json.encode(transcript).decode()
    ),
    "ttml": ExportFormat(
        "application/ttml+xml; charset=utf-8",
        lambda transcript, layout: to_ttml(cues_of(transcript, layout), transcript.language),
    ),
    # Nobody registered a media type for LRC; it is text.
    "lrc": ExportFormat("text/plain", lambda transcript, layout: to_lrc(cues_of(transcript, layout))),
    "csv": ExportFormat("text/csv", lambda transcript, layout: to_csv(cues_of(transcript, layout))),
    "html": ExportFormat("text/html", lambda transcript, _: to_html(transcript)),
}

Format = Annotated[str, QueryParameter(name="format", description=", ".join(FORMATS))]
MaxLine = Annotated[
    int,
    QueryParameter(
        name="max_line",
        ge=10,
        le=200,
        description="Width of a line in display cells, of which an East Asian wide sign takes two",
    ),
]
MaxLines = Annotated[int, QueryParameter(name="max_lines", ge=1, le=4, description="Lines in a cue")]
CueSecondsMax = Annotated[
    float,
    QueryParameter(name="cue_seconds_max", ge=1, le=30, description="How long a cue is shown at most"),
]
