"""What a recording gave until it broke is heard; only one that gives nothing is refused."""

from collections.abc import Iterator
from typing import cast

import pytest

from domain.media_errors import MediaTooLong, NotMedia, UnreadableMedia
from domain.transcript import Damage
from inference_worker.sound import Sound
from infrastructure.media.decode import DecodingFailed, PcmStream
from infrastructure.media.pcm import BYTES_PER_SECOND

SECOND = b"\1\0" * (BYTES_PER_SECOND // 2)
SILENCE = bytes(BYTES_PER_SECOND)


class BreakingStream:
    """So many seconds of sound, and then an error if there is one."""

    decoded_seconds = 3.5
    lost_seconds = 0.4
    damages = (Damage(start_ms=1_000, end_ms=1_500),)

    def __init__(self, seconds: int, error: Exception | None = None, *, second: bytes = SECOND) -> None:
        self._seconds = seconds
        self._second = second
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._seconds):
            yield self._second
        if self._error is not None:
            raise self._error


def sound(seconds: int, error: Exception | None = None) -> Sound:
    return Sound(cast("PcmStream", BreakingStream(seconds, error)), 0, lambda: None)


def test_a_whole_recording_is_what_its_decoder_says() -> None:
    heard = sound(3)
    assert b"".join(heard) == 3 * SECOND
    assert (heard.decoded_seconds, heard.damages) == (3.5, BreakingStream.damages)
    assert heard.lost_seconds == 0.4


def test_a_decoder_that_breaks_down_ends_the_recording_there() -> None:
    heard = sound(2, NotMedia())
    assert b"".join(heard) == 2 * SECOND
    assert (heard.decoded_seconds, heard.damages) == (2.0, BreakingStream.damages)
    assert heard.lost_seconds == 0.4


def test_sound_past_what_was_announced_is_missing_from_there_on() -> None:
    heard = sound(2, MediaTooLong(2.0))
    assert len(list(heard)) == 2
    assert heard.decoded_seconds == 2.0
    assert heard.damages == (*BreakingStream.damages, Damage(start_ms=2_000, end_ms=2_000))


def test_a_recording_that_gives_nothing_is_refused() -> None:
    with pytest.raises(UnreadableMedia):
        list(sound(0, NotMedia()))


def test_a_recording_that_gives_silence_in_place_of_what_it_lost_and_then_nothing_is_refused() -> None:
    stream = cast("PcmStream", BreakingStream(2, NotMedia(), second=SILENCE))
    with pytest.raises(NotMedia):
        list(Sound(stream, 0, lambda: None))


def test_silence_that_lasts_longer_than_announced_is_no_refusal() -> None:
    heard = Sound(cast("PcmStream", BreakingStream(2, MediaTooLong(2.0), second=SILENCE)), 0, lambda: None)
    assert len(list(heard)) == 2


def test_a_decoder_that_could_not_do_its_work_is_no_verdict_on_the_recording() -> None:
    with pytest.raises(DecodingFailed):
        list(sound(2, DecodingFailed("stalled")))


def test_it_shows_that_it_lives_while_it_passes_what_is_done() -> None:
    signs: list[int] = []
    stream = cast("PcmStream", BreakingStream(5))
    heard = Sound(stream, 3_000, lambda: signs.append(1), sign_seconds=-1.0)
    list(heard)
    assert len(signs) == 2  # after the first and the second of the three seconds that are done
