"""A WAV file has all the sound that is in it, whatever its chunks say; only one that was cut off is refused."""

from pathlib import Path

import pytest

from domain.media_errors import JoinedMedia, TruncatedMedia
from infrastructure.media.probe import ProbeLimits, probe
from tests.infrastructure.media.odd_bytes import chunk, wav, wav_form
from tests.infrastructure.media.odd_wavs import (
    CODES,
    FLOATS,
    FORM,
    PCM,
    RATE,
    WAVS,
    cut_off_wav,
    twenty_bits,
)
from tests.infrastructure.media.recordings import Form
from tests.infrastructure.media.sounds import is_spoken, sentence, write_sound
from tests.infrastructure.media.test_odd_times import LIMITS, read


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in WAVS.items()])
async def test_all_the_sound_of_a_wav_is_heard(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(content)
    facts, pcm = await read(tmp_path / "media")
    assert facts.duration_seconds == pytest.approx(5.5, abs=0.01)
    assert is_spoken(pcm)


async def test_a_wav_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """Row 11b."""
    with pytest.raises(TruncatedMedia) as refused:
        await probe(cut_off_wav(tmp_path / "media"), LIMITS)
    assert refused.value.expected_seconds == pytest.approx(4.15)
    assert refused.value.readable_seconds == pytest.approx(1.25)


async def test_wavs_of_two_forms_are_refused_as_what_they_are(tmp_path: Path) -> None:
    other = wav(wav_form(1, 2, 44_100, 16), chunk(b"data", bytes(400_000)))
    (tmp_path / "media").write_bytes(wav(FORM, chunk(b"data", PCM)) + other)
    with pytest.raises(JoinedMedia, match="more than its header tells"):
        await probe(tmp_path / "media", LIMITS)


async def test_a_wav_whose_size_is_all_there_is_too_long_at_once(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(wav(FORM, chunk(b"data", bytes(RATE * 2 * 20))))
    with pytest.raises(Exception, match="10 s"):
        await probe(tmp_path / "media", ProbeLimits(seconds_max=10))


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in FLOATS.items()])
async def test_floats_that_are_no_sound_are_survived(content: bytes, tmp_path: Path) -> None:
    """Row 29."""
    (tmp_path / "media").write_bytes(content)
    _, pcm = await read(tmp_path / "media")
    assert is_spoken(pcm)


@pytest.mark.parametrize("form", CODES, ids=lambda form: f"29-{form.codec}")
async def test_a_wav_of_any_depth_and_code_is_read(form: Form, tmp_path: Path) -> None:
    _, pcm = await read(write_sound(tmp_path / "media", form, sentence(form.rate)))
    assert is_spoken(pcm)


async def test_twenty_bits_are_read(tmp_path: Path) -> None:
    """Row 29."""
    _, pcm = await read(twenty_bits(tmp_path / "media"))
    assert is_spoken(pcm)
