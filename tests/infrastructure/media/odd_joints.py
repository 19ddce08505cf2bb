"""Recordings joined where a container holds one, and heads that do not say how long the sound is: rows 10, 11 and 13."""

import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.infrastructure.media.odd_bytes import id3
from tests.infrastructure.media.odd_times import Make, doubled, once, wrapped
from tests.infrastructure.media.recordings import (
    ADTS,
    ALAC,
    FLAC,
    FRAGMENTED_MP4,
    M4A,
    M4A_FAST_START,
    MKV,
    MP3,
    OGG,
    WAV,
    WEBM,
    Form,
)

AIFF: Final = Form("aiff", "pcm_s16be")
AU: Final = Form("au", "pcm_s16be", 16_000)
CAF: Final = Form("caf", "pcm_s16be")
W64: Final = Form("w64", "pcm_s16le")
AMR: Final = Form("amr", "libopencore_amrnb", 8_000)
JUNK: Final = random.Random(3).randbytes(100_003)
W64_DATA: Final = b"data\xf3\xac\xd3\x11"

JOINED: Final[Mapping[str, Make]] = {
    f"10-joined-{form.container}-{form.codec}-{number}": doubled(form)
    for number, form in enumerate(
        (
            *(M4A, M4A_FAST_START, FRAGMENTED_MP4, ALAC, AIFF, CAF, W64),
            *(Form("3gp", "libopencore_amrnb", 8_000), Form("mov", "pcm_s16le"), Form("flv", "aac")),
            *(Form("asf", "wmav2", bit_rate=64_000), Form("wv", "wavpack"), Form("tta", "tta")),
            Form("rm", "real_144", 8_000),
        )
    )
}
"""FFmpeg hears the first alone."""


def told(form: Form, sign: bytes, *fields: tuple[int, str, int]) -> Make:
    """With other numbers so many bytes after the sign: offset, form and number."""

    def make(path: Path) -> Path:
        content = bytearray(once(form, path).read_bytes())
        at = content.index(sign)
        for offset, kind, number in fields:
            struct.pack_into(kind, content, at + offset, number)
        path.write_bytes(content)
        return path

    return make


def _footed(tag: bytes) -> bytes:
    """An ID3v2.4 tag with its head once more at its end."""
    head = tag[:5] + b"\x10" + tag[6:10]
    return head + tag[10:] + b"3DI" + head[3:]


def _each(name: str, numbers: tuple[int, ...], make: Callable[[int], Make]) -> Mapping[str, Make]:
    return {f"{name}-{number:#x}": make(number) for number in numbers}


_BEHIND: Final = (
    *(
        Form("mpegts", "aac"),
        Form("mpegts", "libopus", 48_000),
        Form("avi", "ac3"),
        AMR,
        CAF,
        AIFF,
        AU,
        W64,
    ),
    *(
        FLAC,
        OGG,
        WEBM,
        MKV,
        M4A,
        M4A_FAST_START,
        WAV,
        Form("flv", "aac"),
        Form("asf", "wmav2", bit_rate=64_000),
    ),
    *(Form("wv", "wavpack"), Form("tta", "tta"), Form("rm", "real_144", 8_000)),
)
BEHIND: Final[Mapping[str, Make]] = {
    f"13-{name}-then-{form.container}-{form.codec}-{number}": wrapped(form, before=junk)
    for number, form in enumerate(_BEHIND)
    for name, junk in (("junk", JUNK), ("zeros", bytes(100_003)))
} | {"13-much-then-mpegts": wrapped(_BEHIND[0], before=bytes(2_000_000))}
"""One sentence, 5.5 s, behind what is no sound."""
_UNKNOWN: Final = (0, 0x7F00_0000, 0x7FFF_FFFF, 0xFFFF_FFFF)
UNSIZED: Final[Mapping[str, Make]] = {
    **_each("11-aiff-sound", _UNKNOWN, lambda size: told(AIFF, b"SSND", (4, ">I", size))),
    **_each("11-aiff-frames", _UNKNOWN, lambda size: told(AIFF, b"COMM", (10, ">I", size))),
    **_each("11-aiff-file", _UNKNOWN, lambda size: told(AIFF, b"FORM", (4, ">I", size))),
    **_each("11-au", _UNKNOWN, lambda size: told(AU, b".snd", (8, ">I", size))),
    **_each(
        "11-w64",
        (0, 24, 242_000, (1 << 63) - 1, (1 << 64) - 1),
        lambda size: told(W64, W64_DATA, (16, "<Q", size)),
    ),
    **_each("11-caf", (0, 242_004), lambda size: told(CAF, b"data", (4, ">q", size))),
    "11-caf-unknown": told(CAF, b"data", (4, ">q", -1)),
    "11-aiff-half": told(AIFF, b"SSND", (4, ">I", 242_008)),
    **{
        f"13-{form.container}-then-{name}": wrapped(form, after=blank * 300_000)
        for form in (AIFF, AU, CAF, W64, AMR, WAV)
        for name, blank in (("zeros", b"\0"), ("ones", b"\xff"))
    },
    **{
        f"13-{form.container}-{form.codec}-then-junk-{len(blank)}": wrapped(form, after=JUNK + blank)
        for form in (
            AIFF,
            AU,
            CAF,
            W64,
            AMR,
            WAV,
            Form("caf", "adpcm_ima_qt"),
            Form("au", "pcm_mulaw", 8_000),
        )
        for blank in (b"", bytes(100_000))
    },
    **{
        f"13-{form.container}-then-text": wrapped(form, after=b"<p>Upload failed</p>\n" * 1_000)
        for form in (AIFF, AU, CAF, W64, AMR, WAV)
    },
    **{
        f"21-id3-with-a-foot-then-{form.container}": wrapped(form, before=_footed(id3(1_000)))
        for form in (WAV, MP3, ADTS)
    },
}
"""One sentence, 5.5 s."""
