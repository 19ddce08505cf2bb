"""The languages of a recording, over its windows."""

from collections.abc import Iterable

from msgspec.structs import replace

from domain.ports import UNDETERMINED
from domain.transcript import Segment, Word
from domain.transcription_events import Job
from inference_worker.child_messages import WindowDone
from inference_worker.spoken import Spoken
from tests.builders import job


def segment(seconds: float, language: str | None = None) -> Segment:
    return Segment(words=(Word(text=" a", start_ms=0, end_ms=int(seconds * 1000)),), language=language)


def window(language: str, probability: float | None, *segments: Segment) -> WindowDone:
    return WindowDone(
        index=0,
        start_ms=0,
        end_ms=60_000,
        language=language,
        language_probability=probability,
        segments=segments,
    )


def spoken_in(windows: Iterable[WindowDone]) -> Spoken:
    spoken = Spoken()
    for each in windows:
        spoken.add(each)
    return spoken


WINDOWS = [
    window("en", 0.6, segment(10.0, "en")),
    window("fr", 0.9, segment(8.0, "fr"), segment(2.0, "en")),
    window(UNDETERMINED, None),
]
TOLD: Job = replace(job(), language="pt-BR")


def test_the_language_is_the_one_that_is_spoken_for_longest_by_how_sure_that_is() -> None:
    assert spoken_in(WINDOWS).language(job()) == ("en", 0.6)
    surely_french = [*WINDOWS, window("fr", 0.8, segment(4.0, "fr"))]
    assert spoken_in(surely_french).language(job()) == ("fr", round((8 * 0.9 + 4 * 0.8) / 12, 4))


def test_a_language_that_was_told_has_no_probability() -> None:
    assert spoken_in(WINDOWS).language(TOLD) == ("pt-BR", None)


def test_an_engine_that_cannot_tell_how_sure_it_is_has_none_either() -> None:
    assert spoken_in([window("en", None, segment(1.0))]).language(job()) == ("en", None)


def test_where_nobody_speaks_no_language_is_spoken() -> None:
    assert spoken_in(WINDOWS[2:]).language(job()) == (UNDETERMINED, None)
    assert spoken_in(WINDOWS[2:]).main is None


def test_a_translation_is_in_english() -> None:
    assert spoken_in(WINDOWS).written(replace(TOLD, task="translate")) == "en"
    assert spoken_in(WINDOWS).written(TOLD) == "pt-BR"
