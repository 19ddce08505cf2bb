"""Whisper models on CTranslate2, through faster-whisper; nothing is ever fetched from a network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from faster_whisper import BatchedInferencePipeline
from msgspec.structs import replace

from domain.alignment import Found
from domain.instructions import Instructions, require_able
from domain.languages import ENGLISH, spoken_language_of
from domain.ports import Recognised, Window
from domain.transcript import Segment, Word
from inference_worker.engines.alignment import find_words
from inference_worker.engines.batched import (
    HearAlone,
    OpenPipeline,
    Options,
    hear_at_once,
    hear_in_batches,
    window_seconds_of,
)
from inference_worker.engines.chunks import chunks_of
from inference_worker.engines.detection import Answer, Stretch, detect, recognised_of
from inference_worker.engines.devices import Device, OpenModel, open_model
from inference_worker.engines.languages import (
    abilities_of,
    context_of,
    present_name_of,
    whisper_code_of,
)
from inference_worker.engines.made_up import without_made_up
from inference_worker.engines.unheard import gaps_in, is_better
from inference_worker.model_digest import weights_digest
from inference_worker.models import name_of
from inference_worker.voice import SPEECH_BELOW, SPEECH_FROM, Voice, samples_of
from infrastructure.media.pcm import BYTES_PER_MS

BEAM_SIZE: Final = 5
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
        open_pipeline: OpenPipeline = BatchedInferencePipeline,
    ) -> None:
        """`digest` is the hash of the weights where it is known. Raises DeviceUnusable."""
        opened = open_model(model, device)
        self._model = opened.model
        self._batch = opened.batch
        self._open_pipeline = open_pipeline
        self.name = _name(model, opened, digest or weights_digest(model, None))
        self.window_seconds = window_seconds_of(opened.batch)
        self.abilities = replace(abilities_of(self._model.supported_languages), aligns=True)

    def transcribe(self, window: Window, instructions: Instructions, heard: Heard) -> Recognised:
        require_able(instructions, self.abilities)
        voice = Voice(window.pcm, window.start_ms)
        stretches = self._stretches(window, instructions, voice, heard)
        segments = [
            segment
            for stretch in stretches
            if stretch.language is not None
            for segment in self._hear_out(
                _part(window, stretch.start_ms, stretch.end_ms),
                stretch.language,
                self._options(instructions, stretch.language),
                voice,
                heard,
            )
        ]
        heard(window.end_ms)
        return recognised_of(segments, stretches)

    def find(self, window: Window, words: Sequence[str], language: str) -> Sequence[Found]:
        known = spoken_language_of(language, self.abilities.languages)
        if known is None:
            return ()
        code = whisper_code_of(known, self._model.supported_languages)
        return find_words(self._model, window.pcm, window.start_ms, words, code)

    def _stretches(
        self, window: Window, instructions: Instructions, voice: Voice, heard: Heard
    ) -> Sequence[Stretch]:
        """The window in stretches of one language each; the whole window where the language is told."""

        def ask(pcm: bytes) -> Answer:
            heard(window.start_ms)  # A long window is asked about for many seconds.
            return self._ask(pcm)

        if instructions.language is None and self._model.model.is_multilingual:
            return detect(window, voice.probabilities, ask)
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
        self, window: Window, language: str, options: Options, voice: Voice, heard: Heard
    ) -> Sequence[Segment]:
        """What is said in a stretch of one language."""

        def hear(start_ms: int, end_ms: int, heard: Heard) -> list[Segment]:
            found = self._listen(_part(window, start_ms, end_ms), options, heard)
            return without_made_up(list(found), voice.ms_between)

        if self._batch > 1:
            segments = self._hear_in_batches(window, options, voice, hear, heard)
        else:
            segments = hear(window.start_ms, window.end_ms, heard)
        gaps = list(gaps_in(segments, window.start_ms, window.end_ms, voice.ms_between))
        for gap in reversed(gaps):  # so that what is before keeps its place
            second = hear(gap.start_ms, gap.end_ms, lambda _: heard(window.end_ms))
            if is_better(second, segments[gap.first : gap.last]):
                segments[gap.first : gap.last] = second
        return [replace(segment, language=language) for segment in segments]

    def _hear_in_batches(
        self, window: Window, options: Options, voice: Voice, hear_alone: HearAlone, heard: Heard
    ) -> list[Segment]:
        speech = voice.between(window.start_ms, window.end_ms)
        pipeline = self._open_pipeline(self._model)
        segments = hear_in_batches(
            chunks_of(speech, window.start_ms, window.end_ms),
            self._batch,
            hear_batch=lambda batch: hear_at_once(pipeline, window, batch, options),
            hear_alone=hear_alone,
            voiced_ms=voice.ms_between,
            heard=heard,
        )
        return without_made_up(segments, voice.ms_between)

    def _options(self, instructions: Instructions, language: str) -> Options:
        return {
            "language": whisper_code_of(language, self._model.supported_languages),
            "task": instructions.task,
            "hotwords": context_of(instructions, self._count_tokens),
            "beam_size": BEAM_SIZE,
            # Sampling, which Whisper tries where it doubts itself, says something else every time.
            "temperature": 0.0,
            "word_timestamps": True,
        }

    def _listen(self, window: Window, options: Options, heard: Heard) -> Iterator[Segment]:
        found, _ = self._model.transcribe(
            samples_of(window.pcm),
            vad_filter=True,
            vad_parameters={"threshold": SPEECH_FROM, "neg_threshold": SPEECH_BELOW},
            # A slip would otherwise be repeated until the end of the window.
            condition_on_previous_text=False,
            hallucination_silence_threshold=SILENCE_SECONDS_MAX,
            **options,
        )
        return _segments(found, window, heard)

    def _count_tokens(self, text: str) -> int:
        return len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids)


def _name(model: Path, opened: OpenModel, digest: str) -> str:
    """Names the model by its content: a folder's name says nothing about what lies in it."""
    name = f"faster-whisper/{name_of(model)}@{digest[:12]}/{opened.compute_type}"
    return name if opened.batch == 1 else f"{name}/batch-{opened.batch}"


def _part(window: Window, start_ms: int, end_ms: int) -> Window:
    first, last = ((at - window.start_ms) * BYTES_PER_MS for at in (start_ms, end_ms))
    return replace(window, start_ms=start_ms, end_ms=end_ms, pcm=window.pcm[first:last])


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
