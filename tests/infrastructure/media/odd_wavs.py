"""WAV files whose chunks say something else than what is there, and samples of every kind: rows 11, 21 and 29."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tests.infrastructure.media.odd_bytes import chunk, id3, wav, wav_form
from tests.infrastructure.media.recordings import WAV, Form
from tests.infrastructure.media.sounds import Sound, sentence

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
CODES: Final = tuple(
    Form("wav", codec, 48_000 if codec == "ac3" else WAV.rate)
    for codec in (
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
    )
)


def _without_numbers(sound: Sound) -> Sound:
    sound[20_000:20_400], sound[30_000], sound[31_000] = np.nan, np.inf, -np.inf
    return sound


def _floats(kind: str, spoil: Callable[[Sound], Sound]) -> bytes:
    content = spoil(sentence(RATE)).astype(kind).tobytes()
    return wav(wav_form(FLOAT, 1, RATE, 8 * int(kind[-1])), chunk(b"data", content))


FLOATS: Final[Mapping[str, bytes]] = {
    f"29-{name}-{kind[1:]}": _floats(kind, spoil)
    for kind in ("<f4", "<f8")
    for name, spoil in (("no-numbers", _without_numbers), ("loud", lambda sound: sound * 1_000))
}


def twenty_bits(path: Path) -> Path:
    """They stand in the upper part of three bytes."""
    samples = (sentence(RATE) * 32_000).astype("<i4") << 8
    content = samples.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    form = bytearray(wav_form(1, 1, RATE, 24))
    form[-2:] = struct.pack("<H", 20)
    path.write_bytes(wav(bytes(form), chunk(b"data", content)))
    return path


def cut_off_wav(path: Path) -> Path:
    """Its `data` chunk says 4.15 s, 1.25 s are there."""
    path.write_bytes(wav(FORM, chunk(b"data", PCM[: 2 * RATE * 5 // 4], 2 * RATE * 83 // 20)))
    return path


def many_channels(path: Path, sound: Sound, *, count: int, number: int) -> Path:
    """Without a mask that says which is which."""
    samples = np.zeros((sound.size, count), "<i2")
    samples[:, number] = sound * 32_000
    path.write_bytes(wav(wav_form(1, count, RATE, 16), chunk(b"data", samples.tobytes())))
    return path
