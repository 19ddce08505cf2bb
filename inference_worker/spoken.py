"""The languages of a recording over its windows: which one is spoken for longest, and how sure that is."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from domain.languages import ENGLISH
from domain.ports import UNDETERMINED
from domain.transcription_events import Job
from inference_worker.child_messages import WindowDone


class SpokenLanguage(NamedTuple):
    """`probability` is None where the language was told, or nobody could tell."""

    language: str
    probability: float | None


class Spoken:
    """Seconds of words in each language, each by how sure its window is."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds = dict(seconds or {})

    def add(self, window: WindowDone) -> None:
        surety = 1.0 if window.language_probability is None else window.language_probability
        for language, seconds in words_seconds(window).items():
            self.seconds[language] = self.seconds.get(language, 0.0) + seconds * surety

    @property
    def main(self) -> str | None:
        return max(self.seconds, key=lambda name: self.seconds[name]) if self.seconds else None


def spoken_in(windows: Iterable[WindowDone]) -> Spoken:
    spoken = Spoken()
    for window in windows:
        spoken.add(window)
    return spoken


def words_seconds(window: WindowDone) -> Mapping[str, float]:
    """How long words are spoken in each language; engines that tell none by segment have the window's."""
    seconds: dict[str, float] = {}
    for segment in window.segments:
        language = segment.language or window.language
        words_ms = sum(max(1, word.end_ms - word.start_ms) for word in segment.words)
        if language != UNDETERMINED:
            seconds[language] = seconds.get(language, 0.0) + words_ms / 1000
    return seconds


def language_spoken(job: Job, windows: Iterable[WindowDone]) -> SpokenLanguage:
    """What was asked for, else what is spoken for longest, with the mean surety of the windows mostly in it."""
    windows = list(windows)
    main = spoken_in(windows).main
    if job.language is not None or main is None:
        return SpokenLanguage(job.language or UNDETERMINED, None)
    shares = [
        (words_seconds(window).get(main, 0.0), window.language_probability)
        for window in windows
        if window.language == main and window.language_probability is not None
    ]
    seconds = sum(share for share, _ in shares)
    if not seconds:
        return SpokenLanguage(main, None)
    surely = sum(share * (probability or 0.0) for share, probability in shares)
    return SpokenLanguage(main, round(surely / seconds, 4))


def language_written(job: Job, windows: Iterable[WindowDone]) -> str:
    """Translations are in English, whatever is spoken."""
    return ENGLISH if job.task == "translate" else language_spoken(job, windows).language
