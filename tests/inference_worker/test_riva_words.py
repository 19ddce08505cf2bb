"""Riva's answers become words in the recording, in their places and as they are written."""

import math

import pytest
from riva.client.proto import riva_asr_pb2 as proto

from domain.ports import Window
from domain.transcript import Segment
from inference_worker import faults
from inference_worker.engines.riva.words import probability_of, segments_of, texts_in
from inference_worker.faults import Fault
from tests.inference_worker.riva_server import result

PIECE = Window(index=3, start_ms=60_000, end_ms=62_000, pcm=b"")


def segments(*results: object, told: str | None = None) -> list[Segment]:
    return list(segments_of(results, PIECE, told))


@pytest.mark.parametrize(
    ("transcript", "words", "texts"),
    [
        ("Good morning, all.", ["Good", "morning,", "all."], [" Good", " morning,", " all."]),
        ("Good morning, all.", ["good", "morning", "all"], [" Good", " morning,", " all."]),
        ("« Oui », dit-il. ", ["oui", "dit-il"], [" « Oui", " », dit-il."]),
        ("今日は、いい天気。", ["今日", "は", "いい", "天気"], [" 今日", "は、", "いい", "天気。"]),
        ("25 people", ["twenty", "five", "people"], [" twenty", " five", " people"]),
        ("one two three", ["one", "three"], [" one", " three"]),
        ("one two", ["one"], [" one"]),
        ("", ["one"], [" one"]),
        ("a a a", ["a", "a", "a"], [" a", " a", " a"]),
    ],
)
def test_words_are_written_as_in_the_transcript_where_that_has_the_same_ones(
    transcript: str, words: list[str], texts: list[str]
) -> None:
    assert list(texts_in(transcript, words)) == texts


def test_milliseconds_of_a_piece_become_times_in_the_recording() -> None:
    [segment] = segments(result("one two", ("one", 0, 480), ("two", 520, 900)))
    assert [(word.start_ms, word.end_ms) for word in segment.words] == [(60_000, 60_480), (60_520, 60_900)]


def test_words_neither_overlap_nor_leave_their_piece() -> None:
    first, second = segments(
        result("one two", ("one", -40, 480), ("two", 400, 700)),
        result("three four", ("three", 650, 640), ("four", 1_990, 2_400)),
    )
    times = [(word.start_ms - 60_000, word.end_ms - 60_000) for word in (*first.words, *second.words)]
    assert times == [(0, 480), (480, 700), (700, 700), (1_990, 2_000)]


@pytest.mark.parametrize(
    ("confidence", "probability"),
    [(0.0, None), (0.9, 0.9), (1.0, 1.0), (-0.105, 0.9003), (-50.0, 0.0), (1.7, None), (math.nan, None)],
)
def test_a_confidence_is_a_logarithm_or_a_probability_or_missing(
    confidence: float, probability: float | None
) -> None:
    assert probability_of(confidence) == probability


def test_results_without_words_are_no_segments() -> None:
    assert segments(proto.SpeechRecognitionResult(), result(" "), result(" ", (" ", 0, 10))) == []


def test_a_model_that_tells_no_times_is_refused_in_words() -> None:
    with pytest.raises(Fault, match=faults.ENGINE_REFUSED) as refused:
        segments(result("Good morning."))
    assert refused.value.permanent
    assert refused.value.problem.startswith("STENOLOG_RIVA_MODEL: this model tells no times")


def test_a_segment_has_the_language_that_was_told_else_the_one_that_was_heard() -> None:
    heard = result("oui", ("oui", 0, 100))
    heard.alternatives[0].words[0].language_code = "fr-fr"
    assert [each.language for each in segments(heard)] == ["fr-FR"]
    assert [each.language for each in segments(heard, told="fr-CA")] == ["fr-CA"]
    assert [each.language for each in segments(result("oui", ("oui", 0, 100)))] == [None]
