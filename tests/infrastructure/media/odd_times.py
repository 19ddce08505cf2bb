"""Odd recordings whose time is told wrongly or differently: rows 1 to 15 of docs/odd-recordings.md."""

import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tests.infrastructure.media.odd_bytes import edit_pages, flac_parts, id3, renumber_flac, set_edit
from tests.infrastructure.media.recordings import (
    ADTS,
    FLAC,
    LIVE_WEBM,
    M4A,
    MKV,
    MP3,
    OGG,
    WAV,
    WEBM,
    Form,
    mp3_without_length,
    overwrite,
)
from tests.infrastructure.media.sounds import Sound, sentence, write_sound

MP4: Final = Form("mp4", "aac")
MP4_OPUS: Final = Form("mp4", "libopus", 48_000)
OGG_CLOCK: Final = 48_000
AAC_DELAY: Final = 1024
Make = Callable[[Path], Path]


def twice(rate: int) -> Sound:
    return np.concatenate([sentence(rate)] * 2)


def once(form: Form, path: Path) -> Path:
    return write_sound(path, form, sentence(form.rate))


def edited(path: Path, seconds: float, kept_seconds: int) -> Path:
    """An M4A file that keeps so much of it from 1.5 s on."""
    whole = write_sound(path, M4A, sentence(M4A.rate, seconds))
    return set_edit(whole, begin_ticks=AAC_DELAY + M4A.rate * 3 // 2, milliseconds=kept_seconds * 1000)


def opus_cropped(path: Path) -> Path:
    def crop(number: int, page: bytearray, granule: int) -> int:
        if number == 0:
            struct.pack_into("<H", page, page.index(b"OpusHead") + 10, 48_000)
        return granule

    return edit_pages(once(OGG, path), crop)


def opus_in_mp4(path: Path) -> Path:
    return set_edit(once(MP4_OPUS, path), begin_ticks=312 + 48_000, milliseconds=1000)


def flac_of_two_rates(path: Path) -> Path:
    head, first = flac_parts(once(FLAC, path))
    _, second = flac_parts(once(Form("flac", "flac", 22_050), path))
    path.write_bytes(head + b"".join(first + second))
    return path


def ogg_jumped(path: Path, seconds: int) -> Path:
    whole = write_sound(path, OGG, twice(OGG.rate))
    return edit_pages(
        whole, lambda _, __, granule: granule + seconds * OGG_CLOCK * (granule >= 5.5 * OGG_CLOCK)
    )


def ogg_from_the_middle(path: Path) -> Path:
    return edit_pages(
        once(OGG, path), lambda number, _, granule: granule + 36_000 * OGG_CLOCK * (number > 1)
    )


def muted(form: Form) -> Make:
    return lambda path: write_sound(path, form, twice(form.rate), jump=(5.5, 60.0))


def jumped(form: Form) -> Make:
    return lambda path: write_sound(path, form, twice(form.rate), jump=(5.5, 90_000.0))


def last_cluster_cut(path: Path) -> Path:
    content = once(LIVE_WEBM, path).read_bytes()
    path.write_bytes(content[:-40])
    return path


def doubled(form: Form) -> Make:
    def make(path: Path) -> Path:
        path.write_bytes(once(form, path).read_bytes() * 2)
        return path

    return make


def mp3s_of_two_rates(path: Path) -> Path:
    parts = [once(Form("mp3", "libmp3lame", rate), path).read_bytes() for rate in (44_100, 22_050)]
    path.write_bytes(b"".join(parts))
    return path


def adts_of_two_rates(path: Path) -> Path:
    parts = [once(Form("adts", "aac", rate), path).read_bytes() for rate in (24_000, 48_000)]
    path.write_bytes(b"".join(parts))
    return path


def overcounted_mp3(path: Path) -> Path:
    content = bytearray(once(MP3, path).read_bytes())
    at = content.index(b"Xing" if b"Xing" in content else b"Info") + 8
    struct.pack_into(">I", content, at, struct.unpack_from(">I", content, at)[0] * 10)
    path.write_bytes(content)
    return path


def wrapped(form: Form, before: bytes = b"", after: bytes = b"") -> Make:
    def make(path: Path) -> Path:
        path.write_bytes(before + once(form, path).read_bytes() + after)
        return path

    return make


def end_spoiled(form: Form) -> Make:
    def make(path: Path) -> Path:
        content = once(form, path).read_bytes()
        path.write_bytes(content[:-200] + random.Random(1).randbytes(200))
        return path

    return make


def middle_spoiled(form: Form) -> Make:
    """Four sentences, 22 s; what is between 6.6 and 9.9 s, if each second has as many bytes, is noise."""

    def make(path: Path) -> Path:
        whole = write_sound(path, form, np.concatenate([sentence(form.rate)] * 4))
        return overwrite(whole, begin=0.3, end=0.45)

    return make


def raw_spoiled(form: Form) -> Make:
    """A voice of 22 s that pauses from 17 to 18 s; what was between 6.6 and 9.9 s is noise."""

    def make(path: Path) -> Path:
        voice = sentence(form.rate, 30.0)[form.rate * 3 // 2 : form.rate * 47 // 2]
        voice[17 * form.rate : 18 * form.rate] = 0
        return overwrite(write_sound(path, form, voice), begin=0.3, end=0.45)

    return make


def pictured_between(form: Form) -> Make:
    """Two sentences, and between them the tag of the second recording, which is mostly a picture."""

    def make(path: Path) -> Path:
        part = once(form, path).read_bytes()
        tag = id3(300_000)
        picture = random.Random(5).randbytes(len(tag) - 10).replace(b"\xff", b"\xfe")  # no head of a frame
        path.write_bytes(part + tag[:10] + picture + part)
        return path

    return make


ONCE: Final[Mapping[str, Make]] = {
    "4-flac-counts-samples": lambda path: renumber_flac(once(FLAC, path), lambda number: number * 4608),
    "4-flac-counts-anew": lambda path: renumber_flac(once(FLAC, path), lambda number: number % 40),
    "6-ogg-from-the-middle-of-a-stream": ogg_from_the_middle,
    "9-webm-cut-in-its-last-cluster": last_cluster_cut,
    "12-mp3-counts-ten-times-its-frames": overcounted_mp3,
    "13-mp3-then-zeros": wrapped(MP3, after=bytes(2_000_000)),
    "13-m4a-then-zeros": wrapped(M4A, after=bytes(2_000_000)),
    "13-wav-then-zeros": wrapped(WAV, after=bytes(2_000_000)),
    "13-junk-then-mp3": wrapped(MP3, before=random.Random(3).randbytes(100_000)),
    "21-id3-then-wav": wrapped(WAV, before=id3(1_000)),
    "21-id3-thrice-then-mp3": wrapped(MP3, before=id3(1_000) * 3),
    "21-id3-thrice-then-wav": wrapped(WAV, before=id3(100) * 3),
    "21-16-mb-picture-then-mp3": wrapped(MP3, before=id3(16_000_000)),
    "21-16-mb-picture-then-flac": wrapped(FLAC, before=id3(16_000_000)),
}
"""One sentence, 5.5 s."""
TWICE: Final[Mapping[str, tuple[Make, float]]] = {
    "5-flac-of-two-rates": (flac_of_two_rates, 5.5),
    "7-ogg-jumps-40-s": (lambda path: ogg_jumped(path, 40), 45.5),
    "7-ogg-jumps-25-h": (lambda path: ogg_jumped(path, 90_000), 5.5),
    "7-webm-jumps-25-h": (jumped(WEBM), 5.5),
    "7-mkv-jumps-25-h": (jumped(MKV), 5.5),
    "8-webm-muted": (muted(WEBM), 65.5),
    "8-mka-muted": (muted(MKV), 65.5),
    "8-mka-opus-muted": (muted(Form("matroska", "libopus", 48_000)), 65.5),
    "8-mp4-muted": (muted(MP4), 65.5),
    "10-webm-and-webm": (doubled(WEBM), 5.5),
    "10-wav-and-wav": (doubled(WAV), 5.5),
    "10-ogg-and-ogg": (doubled(OGG), 5.5),
    "10-mp3-and-mp3": (mp3s_of_two_rates, 5.53),
    "10-adts-and-adts": (doubled(ADTS), 5.53),
    "10-adts-of-two-rates": (adts_of_two_rates, 5.53),
    "10-adts-and-adts-with-a-picture": (pictured_between(ADTS), 5.53),
    "10-mp3-and-mp3-with-a-picture": (pictured_between(mp3_without_length(64_000)), 5.53),
}
"""The sentence twice, and where the second begins."""
SPOILED: Final[Mapping[str, Make]] = {
    f"15-{form.container}-{form.codec}": middle_spoiled(form)
    for form in (
        MP3,
        FLAC,
        M4A,
        Form("ipod", "alac"),
        OGG,
        WEBM,
        MKV,
        Form("tta", "tta"),
        Form("flv", "libmp3lame"),
    )
}
RAW: Final = (
    *(ADTS, Form("latm", "aac"), mp3_without_length(64_000), Form("mp2", "mp2"), Form("ac3", "ac3")),
    Form("eac3", "eac3"),
)
"""Streams of frames that nobody has counted."""
RAW_SPOILED: Final[Mapping[str, Make]] = {
    f"15-raw-{form.container}-{form.codec}": raw_spoiled(form) for form in RAW
}
TAILED: Final[Mapping[str, Make]] = {
    f"13-{form.container}-{form.codec}-then-{name}": wrapped(form, after=tail)
    for form in RAW
    for name, tail in (("zeros", bytes(300_000)), ("junk", random.Random(3).randbytes(300_000)))
}
"""One sentence in a stream whose frames nobody has counted, and then what is no sound."""
END_SPOILED: Final[Mapping[str, Make]] = {
    f"14-{form.container}": end_spoiled(form) for form in (MP3, FLAC, ADTS, OGG, WAV)
}
