"""Too little, too slow, too long, or no recording at all."""

import resource
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import pytest

from domain.media_errors import EncryptedMedia, NoAudio, NotMedia, SoundUnsupported, TooShortMedia
from infrastructure.media.decode import open_pcm
from infrastructure.media.probe import probe
from tests.infrastructure.media.odd_bytes import chunk, wav, wav_form
from tests.infrastructure.media.recordings import (
    FLAC,
    FRAGMENTED_MP4,
    M4A,
    MKV,
    MP3,
    OGG,
    WAV,
    WEBM,
    Form,
    slow_wav,
    write_recording,
    write_silent_film,
)
from tests.infrastructure.media.sounds import sentence, write_sound
from tests.infrastructure.media.test_odd_times import LIMITS, read

RATE: Final = 16_000
MEGABYTE: Final = 1 << 20


@pytest.mark.parametrize("form", [WAV, MP3, FLAC, M4A, OGG, WEBM], ids=lambda form: form.container)
@pytest.mark.parametrize("samples", [1, 160])
async def test_less_than_a_tenth_of_a_second_is_too_short(form: Form, samples: int, tmp_path: Path) -> None:
    """Row 23. Encoders may pad it until it is long enough; then it is read."""
    path = write_sound(tmp_path / "media", form, sentence(form.rate)[:samples])
    try:
        facts, _ = await read(path)
    except TooShortMedia:
        return
    assert facts.duration_seconds >= 0.1


@pytest.mark.parametrize("samples", [0, 1, 160, 1_599])
async def test_a_wav_of_so_few_samples_is_too_short(samples: int, tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(wav(wav_form(1, 1, RATE, 16), chunk(b"data", bytes(2 * samples))))
    with pytest.raises(TooShortMedia):
        await probe(tmp_path / "media", LIMITS)


@pytest.mark.parametrize("rate", [1, 999])
async def test_a_rate_no_recorder_uses_is_refused(rate: int, tmp_path: Path) -> None:
    """Row 24."""
    with pytest.raises(SoundUnsupported, match=f"has {rate} samples a second"):
        await probe(slow_wav(tmp_path / "media", rate=rate, seconds=14_000 // rate + 1), LIMITS)


async def test_hours_of_silence_are_read_at_flat_memory_and_far_faster_than_they_last(
    tmp_path: Path,
) -> None:
    """Row 25."""
    hours = write_recording(tmp_path / "media", FLAC, seconds=2 * 3600.0, amplitude=0, frame_seconds=1.0)
    assert hours.stat().st_size < 5 * MEGABYTE
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = await probe(hours, LIMITS)
    peak = length = 0
    with open_pcm(hours, facts.duration_seconds) as sound:
        for number, block in enumerate(sound):
            length += len(block)
            assert block.count(0) == len(block)
            if number % 1_000 == 0:
                peak = max(peak, psutil.Process(sound.pid).memory_info().rss)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert sound.decoded_seconds == facts.duration_seconds == 7200.0
    assert length == 7200 * RATE * 2
    assert 0 < peak < 200 * MEGABYTE
    assert after.ru_utime - before.ru_utime < 7200 / 20


def _zip(path: Path) -> None:
    write_recording(path.with_name("talk.mp3"), MP3, seconds=2.0)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_name("talk.mp3"), "talk.mp3")


def _tar(path: Path) -> None:
    write_recording(path.with_name("talk.mp3"), MP3, seconds=2.0)
    with tarfile.open(path, "w") as archive:
        archive.add(path.with_name("talk.mp3"), "talk.mp3")


def _init_segment(path: Path) -> None:
    content = write_recording(path, FRAGMENTED_MP4, seconds=2.0).read_bytes()
    path.write_bytes(content[: content.index(b"moof") - 4])


def _subtitles(path: Path) -> None:
    path.write_text("1\n00:00:00,000 --> 00:00:04,000\nHello there\n\n" * 50)


@pytest.mark.parametrize("make", [_zip, _tar, _init_segment, _subtitles], ids=lambda make: make.__name__)
async def test_what_only_looks_like_a_recording_is_refused(make: object, tmp_path: Path) -> None:
    """Row 30; playlists, pictures and text are in the tests of the probe."""
    assert callable(make)
    make(tmp_path / "media.mp3")
    with pytest.raises((NotMedia, TooShortMedia)):
        await probe(tmp_path / "media.mp3", LIMITS)


def _common_encryption(path: Path) -> None:
    """ISO/IEC 23001-7. Its key stream differs at each call, and what it makes of AAC decodes now and then."""
    keys = {
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    form = Form("mp4", "aac", options={"encryption_scheme": "cenc-aes-ctr", **keys})
    write_recording(path, form, seconds=2.0)


def _marked_as(tag: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        content = write_recording(path, M4A, seconds=2.0).read_bytes()
        path.write_bytes(content.replace(b"mp4a", tag, 1))

    return make


@pytest.mark.parametrize(
    "make",
    [*[_common_encryption] * 10, *map(_marked_as, (b"aavd", b"enca", b"drms"))],
)
async def test_an_encrypted_recording_is_refused_as_one(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "media")
    with pytest.raises(EncryptedMedia, match="a copy that is not"):
        await probe(tmp_path / "media", LIMITS)


async def test_pictures_alone_are_no_recording(tmp_path: Path) -> None:
    with pytest.raises(NoAudio):
        await probe(write_silent_film(tmp_path / "media", seconds=2.0), LIMITS)


async def test_hours_are_measured_by_their_packets_alone_and_as_long_as_they_decode(tmp_path: Path) -> None:
    """Past the first minute the probe decodes nothing, so it must be right about what it counts."""
    for form in (MP3, M4A, OGG, WEBM, MKV):
        path = write_recording(tmp_path / "media", form, seconds=90.0, frame_seconds=1.0)
        facts, _ = await read(path)
        assert facts.duration_seconds == pytest.approx(90.0, abs=0.1), form
