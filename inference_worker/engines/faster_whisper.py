"""Whisper models on CTranslate2, through faster-whisper; nothing is ever fetched from a network."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import ctranslate2
import faster_whisper
import numpy as np
from msgspec.structs import replace

from domain.instructions import Instructions, require_able
from domain.languages import ENGLISH
from domain.ports import Recognised, Window
from domain.transcript import Segment, Word
from inference_worker.engines.detection import Answer, detect, recognised_of
from inference_worker.engines.detection import Stretch as LanguageStretch
from inference_worker.engines.languages import (
    abilities_of,
    context_of,
    present_name_of,
    whisper_code_of,
)
from inference_worker.engines.overheard import SpeechMs, Stretch, missed_stretches, put_in_place
from inference_worker.models import name_of
from inference_worker.voice import FRAME_MS, Numbers, samples_of, speech_probabilities
from infrastructure.media.pcm import BYTES_PER_MS, SAMPLE_RATE

BEAM_SIZE: Final = 5
SPEECH_PROBABILITY_MIN: Final = 0.5


class FasterWhisperEngine:
    """One model, on the GPU where there is one, else on one core (more cores make it slower)."""

    def __init__(self, model: Path) -> None:
        device, compute_type = _device()
        self._model = faster_whisper.WhisperModel(
            str(model), device=device, compute_type=compute_type, cpu_threads=1, local_files_only=True
        )
        self.name = _name(model, compute_type)
        self.abilities = abilities_of(self._model.supported_languages)
        self._warm_up()

    def transcribe(
        self, window: Window, instructions: Instructions, heard: Callable[[int], None]
    ) -> Recognised:
        require_able(instructions, self.abilities)
        probabilities = speech_probabilities(window.pcm)

        def speech_ms(start_ms: int, end_ms: int) -> int:
            first, last = ((at - window.start_ms) // FRAME_MS for at in (start_ms, end_ms))
            return int((probabilities[first:last] >= SPEECH_PROBABILITY_MIN).sum()) * FRAME_MS

        stretches = self._stretches(window, instructions, probabilities)
        segments: list[Segment] = []
        for stretch in stretches:
            part = _part(window, Stretch(-1, stretch.start_ms, stretch.end_ms))
            segments += self._hear_out(part, instructions, stretch.language, speech_ms, heard)
        heard(window.end_ms)
        return recognised_of(segments, stretches)

    def _stretches(
        self, window: Window, instructions: Instructions, probabilities: Numbers
    ) -> Sequence[LanguageStretch]:
        """The window in stretches of one language each; the whole window where the language is told."""
        if instructions.language is None and self._model.model.is_multilingual:
            return detect(window, probabilities, self._ask)
        told = instructions.language or ENGLISH
        return [LanguageStretch(start_ms=window.start_ms, end_ms=window.end_ms, language=told)]

    def _ask(self, pcm: bytes) -> Answer:
        """Which language a few seconds are in: as much as Whisper's own detection, in an eighth of the time of its
        half minute, since nothing is heard but them.
        """
        features = self._model.feature_extractor(samples_of(pcm))
        even = features.shape[-1] // 2 * 2
        [answer] = self._model.model.detect_language(self._model.encode(features[:, :even]))
        return {present_name_of(token[2:-2]): float(probability) for token, probability in answer}

    def _hear_out(
        self,
        part: Window,
        instructions: Instructions,
        language: str | None,
        speech_ms: SpeechMs,
        heard: Callable[[int], None],
    ) -> Sequence[Segment]:
        """One language, and what was missed at the first hearing."""
        if language is None:
            return []
        segments: Sequence[Segment] = self._listen(part, instructions, language, heard)
        for stretch in missed_stretches(segments, part.start_ms, part.end_ms, speech_ms):
            again = self._listen(_part(part, stretch), instructions, language, lambda _: None)
            segments = put_in_place(segments, stretch, again)
        return [replace(segment, language=language) for segment in segments]

    def _listen(
        self, window: Window, instructions: Instructions, language: str, heard: Callable[[int], None]
    ) -> Sequence[Segment]:
        found, _ = self._model.transcribe(
            samples_of(window.pcm),
            language=whisper_code_of(language, self._model.supported_languages),
            task=instructions.task,
            hotwords=context_of(instructions, self._count_tokens),
            beam_size=BEAM_SIZE,
            word_timestamps=True,
            vad_filter=True,
            # A slip would otherwise be repeated until the end of the window.
            condition_on_previous_text=False,
        )
        return tuple(_segments(found, window, heard))

    def _count_tokens(self, text: str) -> int:
        return len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids)

    def _warm_up(self) -> None:
        """The first run allocates, and on a GPU compiles; nobody should wait for that."""
        silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
        for _ in self._model.transcribe(silence, language="en", word_timestamps=True)[0]:
            pass


def _part(window: Window, stretch: Stretch) -> Window:
    first, last = ((at - window.start_ms) * BYTES_PER_MS for at in (stretch.start_ms, stretch.end_ms))
    return replace(window, start_ms=stretch.start_ms, end_ms=stretch.end_ms, pcm=window.pcm[first:last])


def _device() -> tuple[str, str]:
    return ("cuda", "float16") if ctranslate2.get_cuda_device_count() > 0 else ("cpu", "int8")


def _name(model: Path, compute_type: str) -> str:
    """Names the model by its content: a folder's name says nothing about what lies in it."""
    with (model / "model.bin").open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()[:12]
    return f"faster-whisper/{name_of(model)}@{digest}/{compute_type}"


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
