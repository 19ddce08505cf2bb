"""Every odd file that the tests make, under the number of its row in docs/odd-recordings.md."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.infrastructure.media.forms import FORMS
from tests.infrastructure.media.odd_edits import EDITED
from tests.infrastructure.media.odd_joints import BEHIND, JOINED, UNSIZED
from tests.infrastructure.media.odd_times import (
    END_SPOILED,
    MP4,
    ONCE,
    RAW_SPOILED,
    SPOILED,
    TAILED,
    TWICE,
    Make,
    doubled,
    edited,
    end_spoiled,
    middle_spoiled,
    muted,
    once,
    opus_cropped,
    opus_in_mp4,
)
from tests.infrastructure.media.odd_wavs import (
    CODES,
    FLOATS,
    RATE,
    WAVS,
    cut_off_wav,
    many_channels,
    twenty_bits,
)
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
    cut_off,
    mp3_without_length,
    slow_wav,
    write_recording,
)
from tests.infrastructure.media.sounds import sentence, silence, write_sound

COMMON: Final = (MP3, FLAC, M4A, ADTS, OGG, WEBM, LIVE_WEBM, MKV, mp3_without_length(64_000))
ALL: Final = (*COMMON, *FORMS)
CONTAINERS: Final = tuple({form.container: form for form in ALL}.values())
"""One form of each."""


def _written(content: bytes) -> Make:
    def make(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


def _spoken(form: Form) -> Make:
    return lambda path: once(form, path)


def _cut(form: Form) -> Make:
    return lambda path: cut_off(once(form, path), share=0.7)


def _of_samples(form: Form, count: int) -> Make:
    return lambda path: write_sound(path, form, sentence(form.rate)[:count])


def _cancelling(form: Form) -> Make:
    return lambda path: write_sound(path, form, sentence(form.rate), -sentence(form.rate))


def _silent_track_first(form: Form) -> Make:
    return lambda path: write_sound(path, form, silence(form.rate, 5.5), more=[sentence(form.rate)])


def _in_channel(count: int, number: int) -> Make:
    return lambda path: many_channels(path, sentence(RATE), count=count, number=number)


def _film(form: Form) -> Make:
    return lambda path: write_recording(path, form, seconds=4.0, hole=(0.0, 2.0), video_seconds=6.0)


def _by_form(row: str, make: Callable[[Form], Make], forms: Iterable[Form] = ALL) -> Mapping[str, Make]:
    return {f"{row}-{form.container}-{form.codec}-{form.rate}": make(form) for form in forms}


EVERY: Final[Mapping[str, Make]] = {
    "1-2-s-of-5.5": lambda path: edited(path, 5.5, 2),
    "1-10-s-of-30": lambda path: edited(path, 30.0, 10),
    **{name: make for name, (make, _) in EDITED.items()},
    "2-opus-cropped": opus_cropped,
    "3-opus-in-mp4": opus_in_mp4,
    **ONCE,
    **{name: make for name, (make, _) in TWICE.items()},
    **_by_form(
        "8-muted", muted, (FLAC, M4A, OGG, Form("ogg", "flac"), Form("flv", "aac"), Form("mpegts", "aac"))
    ),
    **_by_form("10-doubled", doubled, CONTAINERS),
    **{name: _written(content) for name, content in WAVS.items()},
    "11b-cut-off": cut_off_wav,
    **_by_form("11b-cut-off", _cut, CONTAINERS),
    **END_SPOILED,
    **_by_form("14-end", end_spoiled, CONTAINERS),
    **SPOILED,
    **RAW_SPOILED,
    **TAILED,
    **_by_form("15-middle", middle_spoiled),
    **_by_form("16-cancelling", _cancelling, (WAV, FLAC, MP3, M4A, OGG)),
    **{f"17-channel-{number}": _in_channel(2, number) for number in (0, 1)},
    **{f"18-of-{count}": _in_channel(count, count - 1) for count in (3, 6, 8)},
    **{f"19-of-{count}": _in_channel(count, count - 1) for count in (17, 64)},
    **_by_form("20-silent-first", _silent_track_first, (MKV, MP4)),
    **_by_form("20-film", _film, (MKV, MP4)),
    **_by_form("22", _spoken, ALL),
    **_by_form("23-1-sample", lambda form: _of_samples(form, 1), (WAV, MP3, FLAC, M4A, OGG, WEBM)),
    **_by_form("23-160-samples", lambda form: _of_samples(form, 160), (WAV, MP3, FLAC, M4A, OGG, WEBM)),
    "24-1000-hz": lambda path: slow_wav(path, rate=1_000, seconds=20),
    "25-silence": lambda path: write_recording(path, FLAC, seconds=300.0, amplitude=0, frame_seconds=1.0),
    **{name: _written(content) for name, content in FLOATS.items()},
    **_by_form("29", _spoken, CODES),
    "29-twenty-bits": twenty_bits,
    **JOINED,
    **UNSIZED,
    **BEHIND,
}
