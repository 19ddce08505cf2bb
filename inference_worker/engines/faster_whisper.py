"""Whisper models on CTranslate2, through faster-whisper; nothing is ever fetched from a network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from domain.instructions import Instructions, require_able
from domain.languages import ENGLISH
from domain.ports import Recognised, Window
from domain.transcript import Segment, Word
from inference_worker.engines.detection import Answer, Stretch, detect, recognised_of
from inference_worker.engines.devices import Device, open_model
from inference_worker.engines.languages import (
    abilities_of,
    context_of,
    present_name_of,
    whisper_code_of,
)
from inference_worker.engines.made_up import VoicedMs, without_made_up
from inference_worker.engines.unheard import gaps_in, is_better
from inference_worker.model_digest import weights_digest
from inference_worker.models import name_of
from inference_worker.voice import FRAME_MS, Numbers, samples_of, speech_probabilities
from infrastructure.media.pcm import BYTES_PER_MS

BEAM_SIZE: Final = 5
VOICE_FROM: Final = 0.5
"""The probability of speech from which a frame counts as voice."""
SILENCE_SECONDS_MAX: Final = 2.0
"""Of 640 s of speech no word is lost with it; a model that falls into a pause of more is taken out of it."""


Heard: TypeAlias = Callable[[int], None]


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
        self.abilities = abilities_of(self._model.supported_languages)

    def transcribe(self, window: Window, instructions: Instructions, heard: Heard) -> Recognised:
        require_able(instructions, self.abilities)
        probabilities = speech_probabilities(window.pcm)
        voiced_ms = _voice_in(window, probabilities)
        stretches = self._stretches(window, instructions, probabilities)
        segments = [
            segment
            for stretch in stretches
            for segment in self._hear_out(window, stretch, instructions, voiced_ms, heard)
        ]
        heard(window.end_ms)
        return recognised_of(segments, stretches)

    def _stretches(
        self, window: Window, instructions: Instructions, probabilities: Numbers
    ) -> Sequence[Stretch]:
        """The window in stretches of one language each; the whole window where the language is told."""
        if instructions.language is None and self._model.model.is_multilingual:
            return detect(window, probabilities, self._ask)
        told = instructions.language or ENGLISH
        return [Stretch(start_ms=window.start_ms, end_ms=window.end_ms, language=told)]

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
        window: Window,
        stretch: Stretch,
        instructions: Instructions,
        voiced_ms: VoicedMs,
        heard: Heard,
    ) -> Sequence[Segment]:
        """What is said in a stretch of one language; nothing where nobody speaks."""
        if stretch.language is None:
            return ()

        def hear(part: Stretch, heard: Heard) -> list[Segment]:
            found = self._listen(_part(window, part), instructions, language, heard)
            said = without_made_up(list(found), voiced_ms)
            return [replace(segment, language=language) for segment in said]

        language = stretch.language
        segments = hear(stretch, heard)
        gaps = list(gaps_in(segments, stretch.start_ms, stretch.end_ms, voiced_ms))
        for gap in reversed(gaps):  # so that what is before keeps its place
            part = replace(stretch, start_ms=gap.start_ms, end_ms=gap.end_ms)
            second = hear(part, lambda _: heard(stretch.end_ms))
            if is_better(second, segments[gap.first : gap.last]):
                segments[gap.first : gap.last] = second
        return segments

    def _listen(
        self, window: Window, instructions: Instructions, language: str, heard: Heard
    ) -> Iterator[Segment]:
        found, _ = self._model.transcribe(
            samples_of(window.pcm),
            language=whisper_code_of(language, self._model.supported_languages),
            task=instructions.task,
            hotwords=context_of(instructions, self._count_tokens),
            beam_size=BEAM_SIZE,
            # Sampling, which Whisper tries where it doubts itself, says something else every time.
            temperature=0.0,
            word_timestamps=True,
            vad_filter=True,
            # A slip would otherwise be repeated until the end of the window.
            condition_on_previous_text=False,
            hallucination_silence_threshold=SILENCE_SECONDS_MAX,
        )
        return _segments(found, window, heard)

    def _count_tokens(self, text: str) -> int:
        return len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids)


def _name(model: Path, compute_type: str, digest: str) -> str:
    """Names the model by its content: a folder's name says nothing about what lies in it."""
    return f"faster-whisper/{name_of(model)}@{digest[:12]}/{compute_type}"


def _part(window: Window, stretch: Stretch) -> Window:
    first, last = ((at - window.start_ms) * BYTES_PER_MS for at in (stretch.start_ms, stretch.end_ms))
    return replace(window, start_ms=stretch.start_ms, end_ms=stretch.end_ms, pcm=window.pcm[first:last])


def _voice_in(window: Window, probabilities: Numbers) -> VoicedMs:
    is_voice = probabilities >= VOICE_FROM

    def voiced_ms(start_ms: int, end_ms: int) -> int:
        first, last = (start_ms - window.start_ms) // FRAME_MS, -((window.start_ms - end_ms) // FRAME_MS)
        return int(is_voice[first:last].sum()) * FRAME_MS

    return voiced_ms


def _segments(found: Iterable[Any], window: Window, heard: Heard) -> Iterator[Segment]:
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
