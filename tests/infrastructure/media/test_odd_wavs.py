"""A WAV file has all the sound that is in it, whatever its chunks say; only one that was cut off is refused."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from domain.errors import JoinedMedia, TruncatedMedia
from infrastructure.media.probe import ProbeLimits, probe
from tests.infrastructure.media.odd_bytes import chunk, id3, wav, wav_form
from tests.infrastructure.media.recordings import WAV, Form
from tests.infrastructure.media.sounds import Sound, is_spoken, sentence, write_sound
from tests.infrastructure.media.test_odd_times import LIMITS, read

RATE: Final = 16_000
FORM: Final = wav_form(1, 1, RATE, 16)
PCM: Final = (sentence(RATE) * 32_000).astype("<i2").tobytes()
HALF: Final = len(PCM) // 4 * 2
TAGS: Final = chunk(b"LIST", b"INFOISFT\x04\0\0\0abcd" + bytes(3_000))
FLOAT: Final = 3

WAVS: Final[Mapping[str, bytes]] = {
    **{
        f"11-size-{told:#x}": wav(FORM, chunk(b"data", PCM, told))
        for told in (0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000, len(PCM) + 2_000, HALF)
    },
    "11-odd-size": wav(FORM, chunk(b"data", PCM, HALF + 1)),
    "11-two-data-chunks": wav(FORM, chunk(b"data", PCM[:HALF]), chunk(b"data", PCM[HALF:])),
    "11-tags-between": wav(FORM, chunk(b"data", PCM[:HALF]), TAGS, chunk(b"data", PCM[HALF:])),
    "11-tags-before-and-after": wav(FORM, TAGS, chunk(b"data", PCM), TAGS),
    "11-empty-ds64": wav(
        chunk(b"ds64", bytes(28)), FORM, chunk(b"data", PCM, 0xFFFF_FFFF), name=b"RF64", told=0xFFFF_FFFF
    ),
    "11-true-ds64": wav(
        chunk(b"ds64", struct.pack("<3QI", len(PCM) + 80, len(PCM), len(PCM) // 2, 0)),
        FORM,
        chunk(b"data", PCM, 0xFFFF_FFFF),
        name=b"RF64",
        told=0xFFFF_FFFF,
    ),
    "21-id3-and-half": id3(500) + wav(FORM, chunk(b"data", PCM, HALF)),
}


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in WAVS.items()])
async def test_all_the_sound_of_a_wav_is_heard(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(content)
    facts, pcm = await read(tmp_path / "media")
    assert facts.duration_seconds == pytest.approx(5.5, abs=0.01)
    assert is_spoken(pcm)


async def test_a_wav_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """Row 11b."""
    (tmp_path / "media").write_bytes(
        wav(FORM, chunk(b"data", PCM[: 2 * RATE * 5 // 4], 2 * RATE * 83 // 20))
    )
    with pytest.raises(TruncatedMedia) as refused:
        await probe(tmp_path / "media", LIMITS)
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


def _with_no_numbers(sound: Sound) -> Sound:
    sound[20_000:20_400], sound[30_000], sound[31_000] = np.nan, np.inf, -np.inf
    return sound


@pytest.mark.parametrize("kind", ["<f4", "<f8"])
@pytest.mark.parametrize(
    "spoil",
    [_with_no_numbers, lambda sound: sound * 1_000],
    ids=["no-numbers", "loud"],
)
async def test_floats_that_are_no_sound_are_survived(spoil: object, kind: str, tmp_path: Path) -> None:
    """Row 29."""
    assert callable(spoil)
    content = spoil(sentence(RATE)).astype(kind).tobytes()
    form = wav_form(FLOAT, 1, RATE, 8 * int(kind[-1]))
    (tmp_path / "media").write_bytes(wav(form, chunk(b"data", content)))
    _, pcm = await read(tmp_path / "media")
    assert is_spoken(pcm)


@pytest.mark.parametrize(
    "codec",
    [
        *(
            "pcm_u8",
            "pcm_s24le",
            "pcm_s32le",
            "pcm_s64le",
            "pcm_f32le",
            "pcm_f64le",
            "pcm_alaw",
            "pcm_mulaw",
        ),
        *("adpcm_ms", "adpcm_ima_wav", "adpcm_yamaha", "g722", "libmp3lame", "ac3"),
    ],
)
async def test_a_wav_of_any_depth_and_code_is_read(codec: str, tmp_path: Path) -> None:
    """Row 29."""
    form = Form("wav", codec, 48_000 if codec == "ac3" else WAV.rate)
    _, pcm = await read(write_sound(tmp_path / "media", form, sentence(form.rate)))
    assert is_spoken(pcm)


async def test_twenty_bits_are_read(tmp_path: Path) -> None:
    """They stand in the upper part of three bytes."""
    samples = (sentence(RATE) * 32_000).astype("<i4") << 8
    content = samples.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    form = bytearray(wav_form(1, 1, RATE, 24))
    form[-2:] = struct.pack("<H", 20)
    (tmp_path / "media").write_bytes(wav(bytes(form), chunk(b"data", content)))
    _, pcm = await read(tmp_path / "media")
    assert is_spoken(pcm)
