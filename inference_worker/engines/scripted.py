"""An engine without a model: the same made-up words for the same window, in the time a real one might take."""

import time
from collections.abc import Callable
from typing import Final

from domain.instructions import Instructions
from domain.languages import Abilities
from domain.ports import Recognised, Window
from domain.transcript import Segment, Word
from inference_worker.windows import WINDOW_SECONDS

WORD_MS: Final = 400
STEP_MS: Final = 500
WORDS_PER_SEGMENT: Final = 10
LANGUAGE: Final = "en"
SLEEP_SECONDS_MAX: Final = 0.05


class ScriptedEngine:
    """`speed` is how many seconds of sound it gets through in a second."""

    name: Final = "scripted"
    abilities: Final = Abilities()
    window_seconds: Final = WINDOW_SECONDS

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def transcribe(
        self, window: Window, instructions: Instructions, heard: Callable[[int], None]
    ) -> Recognised:
        self._take_time(window, heard)
        words = _words(window)
        segments = tuple(
            Segment(words=words[first : first + WORDS_PER_SEGMENT])
            for first in range(0, len(words), WORDS_PER_SEGMENT)
        )
        return Recognised(segments=segments, language=instructions.language or LANGUAGE)

    def _take_time(self, window: Window, heard: Callable[[int], None]) -> None:
        """By the clock, not by counting naps, so that the speed holds on a busy machine."""
        length_ms = window.end_ms - window.start_ms
        started = time.monotonic()
        while (done_ms := (time.monotonic() - started) * 1000 * self._speed) < length_ms:
            heard(window.start_ms + int(done_ms))
            left_seconds = (length_ms - done_ms) / 1000 / self._speed
            time.sleep(min(left_seconds, SLEEP_SECONDS_MAX))
        heard(window.end_ms)


def _words(window: Window) -> tuple[Word, ...]:
    return tuple(
        Word(text=f" word-{start_ms}", start_ms=start_ms, end_ms=start_ms + WORD_MS, probability=1.0)
        for start_ms in range(window.start_ms, window.end_ms - WORD_MS, STEP_MS)
    )
