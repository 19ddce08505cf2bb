"""Whisper models on CTranslate2, through faster-whisper; nothing is ever fetched from a network."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from domain.instructions import Instructions
from domain.ports import UNDETERMINED, LanguageUnsupported, Recognised, Window
from domain.transcript import Segment, Word
from inference_worker.engines.devices import Device, open_model
from inference_worker.engines.made_up import VoicedMs, is_made_up
from inference_worker.model_digest import weights_digest
from inference_worker.models import PACKAGED_NAME, packaged_model
from inference_worker.voice import FRAME_MS, samples_of, speech_probabilities

BEAM_SIZE: Final = 5
VOICE_FROM: Final = 0.5
"""The probability of speech from which a frame counts as voice."""
SILENCE_SECONDS_MAX: Final = 2.0
"""Of 640 s of speech no word is lost with it; a model that falls into a pause of more is taken out of it."""


class FasterWhisperEngine:
    """One model, on the GPU where there is one, else on one core (more cores make it slower)."""

    def __init__(
        self,
        model: Path,
        device: Device = Device(),  # noqa: B008  # frozen
        digest: str = "",
    ) -> None:
        """`digest` is the hash of the weights where it is known. Raises DeviceUnusable."""
        opened = open_model(model, device)
        self._model = opened.model
        self.name = _name(model, opened.compute_type, digest or weights_digest(model, None))

    def transcribe(
        self, window: Window, instructions: Instructions, heard: Callable[[int], None]
    ) -> Recognised:
        recognised = self._listen(window, self._require_supported(instructions.language), heard)
        heard(window.end_ms)
        return recognised

    def _listen(self, window: Window, language: str | None, heard: Callable[[int], None]) -> Recognised:
        found, facts = self._model.transcribe(
            samples_of(window.pcm),
            language=language,
            beam_size=BEAM_SIZE,
            word_timestamps=True,
            vad_filter=True,
            # A slip would otherwise be repeated until the end of the window.
            condition_on_previous_text=False,
            hallucination_silence_threshold=SILENCE_SECONDS_MAX,
        )
        if not facts.duration_after_vad:
            return Recognised(segments=(), language=language or UNDETERMINED)
        return Recognised(segments=tuple(_said(found, window, heard)), language=str(facts.language))

    def _require_supported(self, language: str | None) -> str | None:
        """The language as Whisper calls it: `pt-BR` is `pt` there. Raises LanguageUnsupported."""
        if language is None:
            return None
        spoken = language.partition("-")[0].lower()
        if spoken not in self._model.supported_languages:
            raise LanguageUnsupported(language)
        return spoken


def _name(model: Path, compute_type: str, digest: str) -> str:
    """Names the model by its content: a folder's name says nothing about what lies in it."""
    packaged = model == packaged_model()
    return f"faster-whisper/{PACKAGED_NAME if packaged else model.name}@{digest[:12]}/{compute_type}"


def _said(found: Iterable[Any], window: Window, heard: Callable[[int], None]) -> Iterator[Segment]:
    """The segments that somebody can have said."""
    voiced_ms = _voice_in(window)
    for segment in _segments(found, window, heard):
        if not is_made_up(segment.words, voiced_ms):
            yield segment


def _voice_in(window: Window) -> VoicedMs:
    is_voice = speech_probabilities(window.pcm) >= VOICE_FROM

    def voiced_ms(start_ms: int, end_ms: int) -> int:
        first, last = (start_ms - window.start_ms) // FRAME_MS, -((window.start_ms - end_ms) // FRAME_MS)
        return int(is_voice[first:last].sum()) * FRAME_MS

    return voiced_ms


def _segments(found: Iterable[Any], window: Window, heard: Callable[[int], None]) -> Iterator[Segment]:
    """The engine's segments as they come, each word placed in the window after the word before it."""
    last_ms = window.start_ms
    for segment in found:
        words = []
        for heard_word in segment.words or ():
            word = _placed(_word(heard_word), window, last_ms)
            last_ms = word.end_ms
            words.append(word)
        if words:
            yield Segment(words=tuple(words))
        heard(min(window.end_ms, window.start_ms + round(segment.end * 1000)))


def _word(word: Any) -> Word:
    return Word(
        text=word.word,
        start_ms=round(float(word.start) * 1000),
        end_ms=round(float(word.end) * 1000),
        probability=round(float(word.probability), 4),
    )


def _placed(word: Word, window: Window, last_ms: int) -> Word:
    """Whisper may put a word a little before the last one's end, or after the end of the sound."""
    start_ms = min(max(window.start_ms + word.start_ms, last_ms), window.end_ms)
    end_ms = min(max(window.start_ms + word.end_ms, start_ms), window.end_ms)
    return replace(word, start_ms=start_ms, end_ms=end_ms)
