"""Makes recordings in every form there is, whole and broken, with PyAV itself."""

import struct
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

HERTZ: Final = 440
PICTURES_PER_SECOND: Final = 10


class Form(NamedTuple):
    container: str
    codec: str
    rate: int = 44_100
    options: Mapping[str, str] = {}
    """Of the container."""
    bit_rate: int | None = None


WAV: Final = Form("wav", "pcm_s16le", 16_000)
MP3: Final = Form("mp3", "libmp3lame")
FLAC: Final = Form("flac", "flac", 16_000)
M4A: Final = Form("ipod", "aac")
M4A_FAST_START: Final = Form("ipod", "aac", options={"movflags": "faststart"})
FRAGMENTED_MP4: Final = Form("mp4", "aac", options={"movflags": "frag_keyframe+empty_moov"})
ALAC: Final = Form("ipod", "alac")
ADTS: Final = Form("adts", "aac")
OGG: Final = Form("ogg", "libopus", 48_000)
WEBM: Final = Form("webm", "libopus", 48_000)
LIVE_WEBM: Final = Form("webm", "libopus", 48_000, {"live": "1"})
MKV: Final = Form("matroska", "aac")


def mp3_without_length(bit_rate: int) -> Form:
    return Form("mp3", "libmp3lame", options={"write_xing": "0", "id3v2_version": "0"}, bit_rate=bit_rate)


def write_recording(
    path: Path,
    form: Form,
    *,
    seconds: float,
    layout: str = "mono",
    amplitude: int = 8_000,
    hole: tuple[float, float] | None = None,
    video_seconds: float = 0.0,
    frame_seconds: float = 0.05,
) -> Path:
    """A tone; `hole` is when the time stamps jump, and by how much. Returns the path.

    Short frames take long to hand over: hours of sound are made of longer ones.
    """
    with av.open(str(path), "w", format=form.container, options=dict(form.options)) as container:
        sound = container.add_stream(form.codec, rate=form.rate, layout=layout)
        assert isinstance(sound, AudioStream)
        if form.bit_rate:
            sound.bit_rate = form.bit_rate
        pictures = _add_pictures(container) if video_seconds else None
        step = round(form.rate * frame_seconds)
        for frame in _tone(form.rate, layout, seconds, amplitude, hole, step=step):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        if pictures is not None:
            _draw(container, pictures, video_seconds)
    return path


def write_silent_film(path: Path, *, seconds: float) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        _draw(container, _add_pictures(container), seconds)
    return path


def cut_off(path: Path, *, share: float) -> Path:
    """Keeps the first `share` of the bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def overwrite(path: Path, *, begin: float, end: float) -> Path:
    """Puts noise over the bytes between two shares of the file."""
    content = bytearray(path.read_bytes())
    first, last = int(len(content) * begin), int(len(content) * end)
    at = np.arange(last - first)
    content[first:last] = ((at * 7 + at // 251) % 256).astype(np.uint8).tobytes()
    path.write_bytes(content)
    return path


def slow_wav(path: Path, *, rate: int, seconds: int) -> Path:
    """A WAV file of few bytes a second, and a packet for nearly each of them."""
    length = rate * seconds
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    head = struct.pack("<4sI4s", b"RIFF", 36 + length, b"WAVE")
    path.write_bytes(head + form + struct.pack("<4sI", b"data", length) + bytes([128]) * length)
    return path


def claim_duration(path: Path, *, seconds: float) -> Path:
    """Rewrites what the header of a WebM file says."""
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3  # Duration, a double of milliseconds
    content[at : at + 8] = struct.pack(">d", seconds * 1000)
    path.write_bytes(content)
    return path


def _tone(
    rate: int, layout: str, seconds: float, amplitude: int, hole: tuple[float, float] | None, *, step: int
) -> Iterator[Any]:
    channels = av.AudioLayout(layout).nb_channels
    samples = _samples(rate, channels, amplitude)
    for first in range(0, int(seconds * rate), step):
        count = min(step, int(seconds * rate) - first)
        frame = av.AudioFrame(format="s16", layout=layout, samples=count)
        at = first % rate * channels * 2
        plane = frame.planes[0]
        sound = samples[at : at + count * channels * 2]
        plane.update(sound + bytes(plane.buffer_size - len(sound)))
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = first + (int(hole[1] * rate) if hole and first >= hole[0] * rate else 0)
        yield frame


@cache
def _samples(rate: int, channels: int, amplitude: int) -> bytes:
    """One second, whose end fits its beginning."""
    wave = np.rint(amplitude * np.sin(2 * np.pi * HERTZ * np.arange(rate) / rate)).astype("<i2")
    return np.repeat(wave, channels).tobytes()


def _add_pictures(container: OutputContainer) -> VideoStream:
    stream = container.add_stream("mpeg4", rate=PICTURES_PER_SECOND)
    assert isinstance(stream, VideoStream)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def _draw(container: OutputContainer, stream: VideoStream, seconds: float) -> None:
    for number in range(int(seconds * PICTURES_PER_SECOND)):
        picture = av.VideoFrame(64, 64, "yuv420p")
        picture.pts = number
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))
