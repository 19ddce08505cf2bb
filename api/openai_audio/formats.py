"""A transcript in each of the formats that a request may ask for."""

import zlib
from math import ceil, log
from statistics import fmean
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from api.exports import FORMATS
from api.openai_audio.form import Asked, Granularity
from domain.ports import UNDETERMINED
from domain.subtitles.layout import LAYOUT_DEFAULT
from domain.transcript import Segment, Transcript, Word
from schemas.audio_bodies import (
    AudioSegment,
    AudioText,
    AudioWord,
    SpokenLanguage,
    TextDone,
    Usage,
    VerboseText,
)

_PROBABILITY_MIN: Final = 1e-6
_OWN: Final = {"text": "txt", "srt": "srt", "vtt": "vtt"}
"""The formats of an export that are among those of this API."""


class Done(Struct, frozen=True, kw_only=True):
    """A transcription that is done, and the engine that did it."""

    transcription_id: UUID
    engine: str
    transcript: Transcript


class Written(Struct, frozen=True):
    content: bytes
    media_type: str


def written(done: Done, asked: Asked) -> Written:
    """Of a recording of hours it takes a moment."""
    if asked.format in _OWN:
        export = FORMATS[_OWN[asked.format]]
        text = export.write(done.transcript, LAYOUT_DEFAULT)
        return Written((f"{text}\n" if asked.format == "text" else text).encode(), export.media_type)
    body = _verbose(done, asked) if asked.format == "verbose_json" else _plain(done, asked)
    return Written(msgspec.json.encode(body), "application/json")


def last_event(done: Done) -> TextDone:
    return TextDone(
        text=done.transcript.text,
        languages=_languages(done.transcript),
        usage=_usage(done.transcript),
        model=done.engine,
        transcription_id=str(done.transcription_id),
    )


def _plain(done: Done, asked: Asked) -> AudioText:
    is_translated = asked.instructions.task == "translate"
    return AudioText(
        text=done.transcript.text,
        languages=UNSET if is_translated else _languages(done.transcript),
        usage=_usage(done.transcript),
    )


def _verbose(done: Done, asked: Asked) -> VerboseText:
    transcript, task = done.transcript, asked.instructions.task
    return VerboseText(
        task=task,
        # Of a translation OpenAI writes the name of the language, and of a transcription its code will do.
        language="english" if task == "translate" else transcript.language,
        duration=transcript.duration_ms / 1000,
        text=transcript.text,
        segments=_segments(transcript) if _wants("segment", asked) else UNSET,
        words=[_word(word) for word in transcript.words] if _wants("word", asked) else UNSET,
        usage=_usage(transcript),
        model=done.engine,
        transcription_id=str(done.transcription_id),
    )


def _wants(granularity: Granularity, asked: Asked) -> bool:
    return granularity in asked.granularities


def _segments(transcript: Transcript) -> list[AudioSegment]:
    return [_segment(number, segment) for number, segment in enumerate(transcript.segments)]


def _segment(number: int, segment: Segment) -> AudioSegment:
    text = "".join(word.text for word in segment.words)
    return AudioSegment(
        id=number,
        start=segment.words[0].start_ms / 1000,
        end=segment.words[-1].end_ms / 1000,
        text=text,
        avg_logprob=_mean_logarithm(segment),
        compression_ratio=_compression_ratio(text.encode()),
    )


def _mean_logarithm(segment: Segment) -> float:
    known = [word.probability for word in segment.words if word.probability is not None]
    return round(fmean(log(max(each, _PROBABILITY_MIN)) for each in known), 4) if known else 0.0


def _compression_ratio(text: bytes) -> float:
    """As Whisper reckons it: what repeats itself is much smaller when compressed."""
    return round(len(text) / len(zlib.compress(text)), 4)


def _word(word: Word) -> AudioWord:
    return AudioWord(word=word.text.strip(), start=word.start_ms / 1000, end=word.end_ms / 1000)


def _languages(transcript: Transcript) -> list[SpokenLanguage]:
    known = transcript.language not in ("", UNDETERMINED)
    return [SpokenLanguage(transcript.language)] if known else []


def _usage(transcript: Transcript) -> Usage:
    return Usage(seconds=ceil(transcript.duration_ms / 1000))
