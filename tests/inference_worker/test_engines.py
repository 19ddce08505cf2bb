"""What every engine promises, and what Whisper has beyond that."""

from collections.abc import Iterator
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np
import pytest

from domain.errors import LanguageUnsupported, TranslationUnsupported
from domain.instructions import Instructions
from domain.languages import spoken_language_of
from domain.ports import UNDETERMINED, Engine, Window
from domain.transcript import Word
from inference_worker.engines.devices import Device
from inference_worker.engines.faster_whisper import FasterWhisperEngine
from inference_worker.engines.riva.engine import RivaEngine
from inference_worker.engines.riva.server import RivaServer
from inference_worker.engines.scripted import ScriptedEngine
from inference_worker.faults import ModelMissing
from inference_worker.models import find_model
from inference_worker.pauses import longest_pause
from inference_worker.windows import WindowStart, cut_windows
from infrastructure.media.decode import open_pcm
from infrastructure.media.pcm import BYTES_PER_SECOND, SAMPLE_RATE
from tests.inference_worker.riva_server import Riva

SAMPLES = Path(__file__).parents[2] / "samples"
SPEECH_SECONDS = 74.9
SENTENCE_SECONDS = 3.3
SENTENCE = "good morning and thank you for coming to the first meeting of the year"
SPOKEN = jiwer.Compose(
    [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip()]
)


def noise() -> bytes:
    return np.random.default_rng(1).normal(0.0, 3_000.0, 30 * SAMPLE_RATE).astype("<i2").tobytes()


def music() -> bytes:
    """Thirty seconds of struck chords, two seconds each, with overtones."""
    at = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    struck = [
        sum(np.sin(2 * np.pi * note * over * at) / over for note in chord for over in (1, 2, 3, 4))
        for chord in CHORDS
    ]
    bars = np.concatenate([chord * np.exp(-at) for chord in struck])
    return np.resize(bars / np.abs(bars).max() * 20_000, 30 * SAMPLE_RATE).astype("<i2").tobytes()


CHORDS = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6))
UNSPOKEN = {"silence": lambda: bytes(30 * BYTES_PER_SECOND), "noise": noise, "music": music}


@pytest.fixture(scope="module")
def speech() -> bytes:
    with open_pcm(SAMPLES / "speech.ogg", SPEECH_SECONDS) as sound:
        return b"".join(sound)


@pytest.fixture(scope="module")
def whisper() -> FasterWhisperEngine:
    return FasterWhisperEngine(find_model("tiny.en"))


@pytest.fixture(scope="module")
def batching() -> FasterWhisperEngine:
    return FasterWhisperEngine(find_model("tiny.en"), Device(kind="cpu", batch=4))


@pytest.fixture(scope="module", params=["whisper", "batching"])
def either(request: pytest.FixtureRequest) -> FasterWhisperEngine:
    """Whisper, hearing chunks one after the other and several at once."""
    heard: FasterWhisperEngine = request.getfixturevalue(request.param)
    return heard


@pytest.fixture(
    scope="module",
    params=["scripted", "faster-whisper", "faster-whisper, batch", "riva", "riva, streaming"],
)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    match request.param:
        case "scripted":
            yield ScriptedEngine(speed=1000.0)
        case "faster-whisper":
            yield request.getfixturevalue("whisper")
        case "faster-whisper, batch":
            yield request.getfixturevalue("batching")
        case kind:
            mode = "online" if "streaming" in kind else "offline"
            with Riva(("model", {"language_code": "en-US", "type": mode})) as riva:
                yield RivaEngine(RivaServer(address=riva.address))


@pytest.fixture(scope="module")
def base() -> FasterWhisperEngine:
    return FasterWhisperEngine(find_model("base"))


@pytest.fixture(scope="module")
def french() -> bytes:
    with open_pcm(SAMPLES / "french.ogg", 29.3) as sound:
        return b"".join(sound)


def window(pcm: bytes, *, seconds: float, start_ms: int = 0, index: int = 0) -> Window:
    cut = pcm[: int(seconds * BYTES_PER_SECOND)]
    end_ms = start_ms + len(cut) * 1000 // BYTES_PER_SECOND
    return Window(index=index, start_ms=start_ms, end_ms=end_ms, pcm=cut)


def transcribe(engine: Engine, heard: Window, language: str | None = "en") -> list[Word]:
    recognised = engine.transcribe(heard, Instructions(language=language), lambda _: None)
    return list(chain.from_iterable(segment.words for segment in recognised.segments))


class Heard(NamedTuple):
    window: Window
    words: list[Word]
    positions: list[int]


@pytest.fixture(scope="module")
def early(engine: Engine, speech: bytes) -> Heard:
    """What several tests look at, transcribed once: the most that an engine costs."""
    return hear(engine, window(speech, seconds=12.0))


@pytest.fixture(scope="module")
def late(engine: Engine, speech: bytes) -> Heard:
    """The same sound later in the recording."""
    return hear(engine, window(speech, seconds=12.0, start_ms=60_000, index=5))


def hear(engine: Engine, heard: Window) -> Heard:
    positions: list[int] = []
    recognised = engine.transcribe(heard, Instructions(language="en"), positions.append)
    words = list(chain.from_iterable(segment.words for segment in recognised.segments))
    return Heard(heard, words, positions)


def test_an_engine_has_a_name(engine: Engine) -> None:
    assert engine.name


def test_an_engine_says_how_long_windows_are_to_be(engine: Engine) -> None:
    assert 60.0 <= engine.window_seconds <= 600.0


def test_words_lie_in_the_window_in_order_and_without_overlap(late: Heard) -> None:
    heard, words = late.window, late.words
    assert len(words) > 10
    assert heard.start_ms <= words[0].start_ms
    assert words[-1].end_ms <= heard.end_ms
    assert all(word.start_ms <= word.end_ms for word in words)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(words))


def test_words_join_to_the_text(early: Heard) -> None:
    assert all(word.text.startswith(" ") and word.text.strip() for word in early.words)


def test_no_segment_is_empty(engine: Engine, speech: bytes) -> None:
    recognised = engine.transcribe(window(speech, seconds=12.0), Instructions(), lambda _: None)
    assert spoken_language_of(recognised.language, ["en"]) == "en"
    assert all(segment.words for segment in recognised.segments)


def test_a_window_later_in_the_recording_has_its_words_later(early: Heard, late: Heard) -> None:
    assert [word.start_ms + 60_000 for word in early.words] == [word.start_ms for word in late.words]


def test_the_same_window_gives_the_same_words(engine: Engine, early: Heard) -> None:
    assert transcribe(engine, early.window) == early.words


def test_progress_goes_on_to_the_end_of_the_window(late: Heard) -> None:
    assert late.positions == sorted(late.positions)
    assert (late.positions[0] >= 60_000, late.positions[-1]) == (True, 72_000)


def test_a_moment_of_sound_is_no_trouble(engine: Engine) -> None:
    assert transcribe(engine, window(bytes(64), seconds=1.0)) == []


def test_whisper_understands_the_sample(either: FasterWhisperEngine, speech: bytes) -> None:
    words = transcribe(either, window(speech, seconds=SPEECH_SECONDS))
    said = (SAMPLES / "speech.txt").read_text(encoding="utf-8").replace("\n", " ")
    heard = "".join(word.text for word in words)
    assert jiwer.wer(SPOKEN(said), SPOKEN(heard)) < 0.05


def test_a_sentence_spoken_eight_times_is_written_eight_times(
    whisper: FasterWhisperEngine, speech: bytes
) -> None:
    assert spoken_eight_times(whisper, speech) == " ".join(8 * [SENTENCE])


def test_a_sentence_spoken_eight_times_loses_nothing_in_batches(
    batching: FasterWhisperEngine, speech: bytes
) -> None:
    """Where several chunks are heard at once the model may repeat a greeting: up to a word a sentence, as the processor rounds."""
    heard = spoken_eight_times(batching, speech)
    assert heard.count(SENTENCE) == 8
    assert len(heard.split()) <= 8 * (len(SENTENCE.split()) + 1)


def spoken_eight_times(engine: FasterWhisperEngine, speech: bytes) -> str:
    sentence = speech[: int(SENTENCE_SECONDS * BYTES_PER_SECOND)] + bytes(2 * BYTES_PER_SECOND)
    repeated = window(8 * sentence, seconds=8 * (SENTENCE_SECONDS + 2.0))
    return " ".join(word.text.strip(" .,").lower() for word in transcribe(engine, repeated))


def test_words_around_long_silence_come_when_they_were_spoken(
    either: FasterWhisperEngine, speech: bytes
) -> None:
    """Row 27, in the windows that a worker cuts."""
    sentence = speech[: int(SENTENCE_SECONDS * BYTES_PER_SECOND)]
    alone = transcribe(either, window(sentence, seconds=SENTENCE_SECONDS))
    padded = bytes(20 * BYTES_PER_SECOND) + sentence + bytes(40 * BYTES_PER_SECOND) + sentence
    words = [
        word
        for each in cut_windows([padded], size_ms=28_000, begin=WindowStart(), find_pause=longest_pause)
        for word in transcribe(either, each)
    ]
    assert [word.text.strip(" .,").lower() for word in words] == 2 * SENTENCE.split()
    first, second = words[: len(alone)], words[len(alone) :]
    for heard, begin_ms in ((first, 20_000), (second, 60_000 + round(SENTENCE_SECONDS * 1000))):
        assert heard[0].start_ms - begin_ms == pytest.approx(alone[0].start_ms, abs=400)
        assert heard[-1].end_ms - begin_ms == pytest.approx(alone[-1].end_ms, abs=400)


@pytest.mark.parametrize("kind", ["silence", "noise", "music"])
def test_whisper_hears_nothing_where_nobody_speaks(either: FasterWhisperEngine, kind: str) -> None:
    unspoken = window(UNSPOKEN[kind](), seconds=30.0)
    recognised = either.transcribe(unspoken, Instructions(), lambda _: None)
    assert (list(recognised.segments), recognised.language) == ([], UNDETERMINED)


def test_whisper_hears_nothing_in_the_music_between_two_sentences(
    either: FasterWhisperEngine, speech: bytes
) -> None:
    sentence = speech[: int(SENTENCE_SECONDS * BYTES_PER_SECOND)]
    mixed = window(sentence + music() + sentence, seconds=60.0)
    said = " ".join(word.text.strip(" .,").lower() for word in transcribe(either, mixed))
    assert said == " ".join(2 * [SENTENCE])


def test_whisper_takes_the_language_out_of_a_longer_tag(
    whisper: FasterWhisperEngine, speech: bytes
) -> None:
    assert transcribe(whisper, window(speech, seconds=5.0), "en-GB")


def test_whisper_refuses_a_language_its_model_does_not_know(
    whisper: FasterWhisperEngine, speech: bytes
) -> None:
    """The English model would write German down as English nonsense."""
    with pytest.raises(LanguageUnsupported):
        whisper.transcribe(window(speech, seconds=5.0), Instructions(language="de"), lambda _: None)


def test_whisper_is_named_after_its_weights(whisper: FasterWhisperEngine) -> None:
    assert whisper.name.startswith("faster-whisper/tiny.en@1a5afae06a4d/")


def test_a_folder_without_a_model_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"STENOLOG_MODEL: .* has no config.json, model.bin"):
        find_model(str(tmp_path))


def test_a_recording_that_changes_its_language_keeps_each_parts_own(
    base: FasterWhisperEngine, speech: bytes, french: bytes
) -> None:
    english = speech[: 24 * BYTES_PER_SECOND]
    heard = window(english + bytes(BYTES_PER_SECOND // 2) + french, seconds=60.0)
    segments = base.transcribe(heard, Instructions(), lambda _: None).segments
    assert "".join(word.text for word in segments[0].words).startswith(" Good morning")
    assert [language for language, _ in groupby(segments, lambda each: each.language)] == ["en", "fr"]
    begins_ms = next(each.words[0].start_ms for each in segments if each.language == "fr")
    assert 23_500 < begins_ms < 25_000
    in_french = "".join(segment.text for segment in segments if segment.language == "fr")
    assert "vous avez bien installé et exécuté" in in_french
    assert "un téléphone standard" in in_french


def test_whisper_says_how_sure_it_is_of_a_language_that_it_found(
    base: FasterWhisperEngine, french: bytes
) -> None:
    found = base.transcribe(window(french, seconds=12.0), Instructions(), lambda _: None)
    told = base.transcribe(window(french, seconds=6.0), Instructions(language="fr-CA"), lambda _: None)
    assert (found.language, told.language, told.language_probability) == ("fr", "fr-CA", None)
    assert 0.9 < (found.language_probability or 0.0) <= 1.0


def test_a_translation_is_in_english(base: FasterWhisperEngine, french: bytes) -> None:
    translated = base.transcribe(
        window(french, seconds=12.0), Instructions(task="translate"), lambda _: None
    )
    text = "".join(segment.text for segment in translated.segments).lower()
    assert "congratulations" in text
    assert translated.language == "fr"


def test_a_vocabulary_spells_names(base: FasterWhisperEngine, french: bytes) -> None:
    def heard(*vocabulary: str) -> str:
        asked = Instructions(language="fr", vocabulary=vocabulary)
        return "".join(
            word.text
            for segment in base.transcribe(window(french, seconds=12.0), asked, lambda _: None).segments
            for word in segment.words
        )

    assert "Asterisk" not in heard()
    assert "Asterisk" in heard("Asterisk", "Digium")


def test_an_english_model_hears_english_alone_and_cannot_tell_how_sure_it_is(
    whisper: FasterWhisperEngine, speech: bytes
) -> None:
    assert whisper.abilities.only_english
    found = whisper.transcribe(window(speech, seconds=5.0), Instructions(), lambda _: None)
    assert (found.language, found.language_probability) == ("en", None)
    with pytest.raises(TranslationUnsupported):
        whisper.transcribe(window(speech, seconds=5.0), Instructions(task="translate"), lambda _: None)
