"""A transcript in OpenAI's formats."""

from math import log
from typing import Any
from uuid import UUID

import msgspec
import pytest
import srt

from api.openai_audio.form import Asked, Granularity, TextFormat
from api.openai_audio.formats import Done, last_event, written
from domain.instructions import Instructions, Task
from domain.transcript import Segment, Transcript, Word, transcript_of
from tests.api.rig import HEARD

ID = UUID(int=7)
ENGINE = "faster-whisper/base@d01c3014881c/int8"
SILENCE = Transcript(text="", language="und", duration_ms=1_200, segments=())


def asked(format_: TextFormat, *granularities: Granularity, task: Task = "transcribe") -> Asked:
    return Asked(
        model="whisper-1",
        instructions=Instructions(task=task),
        format=format_,
        granularities=frozenset(granularities or ("segment",)),
        streams=False,
    )


def text_of(asked: Asked, transcript: Transcript = HEARD) -> str:
    return written(Done(transcription_id=ID, engine=ENGINE, transcript=transcript), asked).content.decode()


def json_of(asked: Asked, transcript: Transcript = HEARD) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(text_of(asked, transcript))
    return body


def test_json_has_the_text_the_language_and_the_seconds() -> None:
    assert json_of(asked("json")) == {
        "text": "Hello world.",
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 2},
    }


def test_a_recording_in_which_nobody_speaks_has_no_language() -> None:
    assert json_of(asked("json"), SILENCE) == {
        "text": "",
        "languages": [],
        "usage": {"type": "duration", "seconds": 2},
    }


def test_text_is_the_text_and_a_line_break() -> None:
    assert text_of(asked("text")) == "Hello world.\n"


def test_subtitles_have_the_times_of_the_words() -> None:
    [cue] = srt.parse(text_of(asked("srt")))
    assert (cue.content, cue.start.total_seconds()) == ("Hello world.", 0)
    assert text_of(asked("vtt")).startswith("WEBVTT\n\n00:00:00.000 --> ")


def test_verbose_json_has_every_member_that_typed_clients_expect() -> None:
    body = json_of(asked("verbose_json", "word", "segment"))
    [segment] = body.pop("segments")
    assert body == {
        "task": "transcribe",
        "language": "en",
        "duration": 2.0,
        "text": "Hello world.",
        "words": [
            {"word": "Hello", "start": 0.0, "end": 0.4},
            {"word": "world.", "start": 0.5, "end": 0.9},
        ],
        "usage": {"type": "duration", "seconds": 2},
        "model": ENGINE,
        "transcription_id": str(ID),
    }
    assert segment["avg_logprob"] == pytest.approx((log(0.9) + log(0.8)) / 2, abs=1e-4)
    assert 0 < segment.pop("compression_ratio") < 1
    del segment["avg_logprob"]
    assert segment == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 0.9,
        "text": " Hello world.",
        "tokens": [],
        "temperature": 0.0,
        "no_speech_prob": 0.0,
    }


@pytest.mark.parametrize(
    ("granularities", "members"),
    [
        ((), {"segments"}),
        (("segment",), {"segments"}),
        (("word",), {"words"}),
        (("word", "segment"), {"words", "segments"}),
    ],
)
def test_times_are_of_what_was_asked_for(granularities: tuple[Granularity, ...], members: set[str]) -> None:
    assert json_of(asked("verbose_json", *granularities)).keys() & {"words", "segments"} == members


def test_what_repeats_itself_compresses_well() -> None:
    words = tuple(
        Word(text=" again and", start_ms=at, end_ms=at + 1) for at in range(200)
    )  # of an engine that does not say how sure it is
    body = json_of(
        asked("verbose_json"), transcript_of([Segment(words=words)], language="en", duration_ms=200)
    )
    [segment] = body["segments"]
    assert segment["compression_ratio"] > 2.4
    assert segment["avg_logprob"] == 0.0


def test_a_translation_is_english_by_its_name() -> None:
    body = json_of(asked("verbose_json", task="translate"))
    assert (body["task"], body["language"]) == ("translate", "english")
    assert json_of(asked("json", task="translate")).keys() == {"text", "usage"}


def test_the_last_event_of_a_stream_says_all() -> None:
    event = last_event(Done(transcription_id=ID, engine=ENGINE, transcript=HEARD))
    assert msgspec.to_builtins(event) == {
        "type": "transcript.text.done",
        "text": "Hello world.",
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 2},
        "model": ENGINE,
        "transcription_id": str(ID),
    }
