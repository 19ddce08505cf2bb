"""Which language is spoken when: pieces, answers about them, and doubtful answers that give way."""

from collections.abc import Mapping

import numpy as np

from domain.ports import UNDETERMINED, Window
from domain.transcript import Segment, Word
from inference_worker.engines.detection import (
    Piece,
    Stretch,
    detect,
    likeliest,
    pieces_of,
    recognised_of,
)
from inference_worker.voice import FRAME_MS, Numbers
from infrastructure.media.pcm import BYTES_PER_MS

ENGLISH = {"en": 0.97, "fr": 0.01}
FRENCH = {"fr": 0.95, "en": 0.02}
SURELY_FRENCH = {"fr": 0.99, "en": 0.001}
PERHAPS_THAI = {"th": 0.5, "en": 0.2, "fr": 0.1}


QUIET = 0.4


def speech(*parts: tuple[float, float]) -> Numbers:
    frames = [spoken for seconds, spoken in parts for _ in range(int(seconds * 1000) // FRAME_MS)]
    return np.array(frames, dtype=np.float32)


def pieces(*seconds: float) -> list[Piece]:
    return [
        Piece(number * 10_000, number * 10_000, int(each * 1000)) for number, each in enumerate(seconds)
    ]


def named(*answers: Mapping[str, float], before: str | None = None, seconds: float = 5.0) -> list[str]:
    return list(likeliest(answers, pieces(*[seconds] * len(answers)), before))


def test_pieces_cover_the_window_and_end_at_pauses() -> None:
    found = pieces_of(speech((4.0, True), (0.5, False), (5.0, True)), 9_500)
    assert [found[0].start_ms, found[-1].end_ms] == [0, 9_500]
    assert found[0].end_ms == found[1].start_ms
    assert 4_000 < found[0].end_ms < 4_500
    assert [round(each.speech_ms, -3) for each in found] == [4_000, 5_000]


def test_where_all_voices_are_quiet_they_say_what_language_it_is() -> None:
    found = pieces_of(speech((1.0, False), (4.0, QUIET), (1.0, False)), 6_000)
    assert sum(each.speech_ms for each in found) == 4_000


def test_a_quiet_voice_beside_a_sure_one_is_not_asked_for_the_language() -> None:
    found = pieces_of(speech((4.0, True), (1.0, False), (4.0, QUIET)), 9_000)
    assert sum(each.speech_ms for each in found) == 4_000


def test_who_never_pauses_is_cut_all_the_same() -> None:
    found = pieces_of(speech((25.0, True)), 25_000)
    assert max(each.end_ms - each.start_ms for each in found) <= 10_100


def test_a_change_of_language_is_followed() -> None:
    assert named(ENGLISH, ENGLISH, FRENCH, FRENCH) == ["en", "en", "fr", "fr"]
    assert named(SURELY_FRENCH, ENGLISH, before="en") == ["fr", "en"]


def test_one_doubtful_piece_changes_nothing() -> None:
    assert named(ENGLISH, PERHAPS_THAI, ENGLISH) == ["en"] * 3
    assert named(PERHAPS_THAI, PERHAPS_THAI, before="en") == ["en"] * 2
    assert named(PERHAPS_THAI) == ["th"]


def test_a_word_or_two_say_little() -> None:
    assert named(FRENCH, before="en", seconds=0.7) == ["en"]
    assert named(FRENCH, before="en", seconds=5.0) == ["fr"]


def window(seconds: float, language_before: str | None = None) -> Window:
    """Starts a minute into the recording; each of its bytes is the second it is in."""
    pcm = b"".join(bytes([second]) * 1000 * BYTES_PER_MS for second in range(int(seconds)))
    return Window(
        index=1,
        start_ms=60_000,
        end_ms=60_000 + int(seconds) * 1000,
        pcm=pcm,
        language_before=language_before,
    )


def french_after_10_seconds(pcm: bytes) -> Mapping[str, float]:
    return FRENCH if pcm[0] >= 10 else ENGLISH


def test_stretches_lie_in_the_recording_one_after_the_other() -> None:
    heard = speech((9.6, True), (0.9, False), (9.5, True))
    one, other = detect(window(20.0), heard, french_after_10_seconds)
    assert (one.start_ms, one.language, other.language, other.end_ms) == (60_000, "en", "fr", 80_000)
    assert one.end_ms == other.start_ms
    assert 69_600 <= one.end_ms <= 70_500


def test_without_speech_nobody_is_asked() -> None:
    def ask(_: bytes) -> Mapping[str, float]:
        raise AssertionError("asked about silence")

    [stretch] = detect(window(20.0), speech((20.0, False)), ask)
    assert (stretch.language, stretch.probability) == (None, None)


def test_what_pieces_leave_in_doubt_is_asked_about_as_a_whole() -> None:
    def ask(pcm: bytes) -> Mapping[str, float]:
        return FRENCH if len(pcm) > 12_000 * BYTES_PER_MS else {"ja": 0.4, "fr": 0.3}

    [stretch] = detect(window(20.0), speech((9.6, True), (0.9, False), (9.5, True)), ask)
    assert (stretch.language, stretch.probability) == ("fr", 0.95)


def test_a_window_is_in_the_language_that_is_spoken_most_in_it() -> None:
    segments = [Segment(words=(Word(text=" a", start_ms=0, end_ms=1),), language="en")]
    stretches = [
        Stretch(start_ms=0, end_ms=9, language="en", probability=0.9, speech_ms=9_000),
        Stretch(start_ms=9, end_ms=20, language="la", probability=0.3, speech_ms=11_000),
    ]
    recognised = recognised_of(segments, stretches)
    assert (recognised.language, recognised.language_probability) == ("en", 0.9)
    assert recognised_of([], stretches).language == UNDETERMINED
