"""The languages of a recording over its windows: which one is spoken for longest, and how sure that is."""

from collections.abc import Mapping
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
    """Seconds of words in each language, each by how sure its window is; it needs no window a second time."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds = dict(seconds or {})
        self._shares: dict[str, tuple[float, float]] = {}
        """Of windows mostly in a language and with a probability: its seconds in them, and those times their surety."""

    def add(self, window: WindowDone) -> None:
        surety = 1.0 if window.language_probability is None else window.language_probability
        in_window = words_seconds(window)
        for language, seconds in in_window.items():
            self.seconds[language] = self.seconds.get(language, 0.0) + seconds * surety
        if window.language_probability is not None:
            all_seconds, sure_seconds = self._shares.get(window.language, (0.0, 0.0))
            share = in_window.get(window.language, 0.0)
            self._shares[window.language] = (all_seconds + share, sure_seconds + share * surety)

    @property
    def main(self) -> str | None:
        return max(self.seconds, key=lambda name: self.seconds[name]) if self.seconds else None

    def language(self, job: Job) -> SpokenLanguage:
        """What was asked for, else what is spoken for longest, with the mean surety of the windows mostly in it."""
        main = self.main
        if job.language is not None or main is None:
            return SpokenLanguage(job.language or UNDETERMINED, None)
        all_seconds, sure_seconds = self._shares.get(main, (0.0, 0.0))
        return SpokenLanguage(main, round(sure_seconds / all_seconds, 4) if all_seconds else None)

    def written(self, job: Job) -> str:
        """Translations are in English, whatever is spoken."""
        return ENGLISH if job.task == "translate" else self.language(job).language


def words_seconds(window: WindowDone) -> Mapping[str, float]:
    """How long words are spoken in each language; engines that tell none by segment have the window's."""
    seconds: dict[str, float] = {}
    for segment in window.segments:
        language = segment.language or window.language
        words_ms = sum(max(1, word.end_ms - word.start_ms) for word in segment.words)
        if language != UNDETERMINED:
            seconds[language] = seconds.get(language, 0.0) + words_ms / 1000
    return seconds
