"""Sounds whose words can be found again, and files that hold them."""

import array
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

from infrastructure.media.pcm import SAMPLE_RATE
from tests.infrastructure.media.recordings import Form

Sound = npt.NDArray[np.float64]

SENTENCE_SECONDS: Final = 5.5
SPOKEN: Final = (1.0, 4.0)
"""When the sentence is heard in its padding of silence."""
_PITCHES: Final = (190.0, 410.0, 730.0)


def sentence(rate: int, seconds: float = SENTENCE_SECONDS) -> Sound:
    """Voices on three pitches, in syllables, between silences. One second before and more than one after."""
    times = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * pitch * times) for pitch in _PITCHES) / len(_PITCHES)
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * times)
    spoken = (times >= SPOKEN[0]) & (times < SPOKEN[1] + seconds - SENTENCE_SECONDS)
    return np.asarray(0.6 * voice * syllables * spoken)


def silence(rate: int, seconds: float) -> Sound:
    return np.zeros(round(rate * seconds))


def write_sound(
    path: Path,
    form: Form,
    *channels: Sound,
    layout: str = "",
    jump: tuple[float, float] | None = None,
    more: Sequence[Sound] = (),
) -> Path:
    """`jump` is when the clock jumps and by how much; `more` are tracks after the first. Returns the path."""
    with av.open(str(path), "w", format=form.container, options=dict(form.options)) as container:
        tracks = [channels, *((sound,) for sound in more)]
        streams = [
            container.add_stream(
                form.codec, rate=form.rate, layout=layout or ("mono", "stereo")[len(track) - 1]
            )
            for track in tracks
        ]
        for stream, track in zip(streams, tracks, strict=True):
            assert isinstance(stream, AudioStream)
            if form.bit_rate:
                stream.bit_rate = form.bit_rate
            for frame in _frames(form.rate, track, stream.layout.name, jump):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def _frames(
    rate: int, channels: Sequence[Sound], layout: str, jump: tuple[float, float] | None
) -> list[av.AudioFrame]:
    samples = np.round(np.clip(np.stack(channels), -1, 1) * 32_000).astype(np.int16)
    made = []
    for first in range(0, samples.shape[1], rate // 20):
        block = samples[:, first : first + rate // 20].T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = first + (round(jump[1] * rate) if jump and first >= jump[0] * rate else 0)
        made.append(frame)
    return made


def loudness(pcm: bytes, begin_seconds: float, end_seconds: float) -> float:
    """The mean of the sizes of the samples."""
    first, last = (round(at * SAMPLE_RATE) for at in (begin_seconds, end_seconds))
    samples = np.asarray(array.array("h", pcm)[first:last], dtype=np.float64)
    return float(np.abs(samples).mean()) if samples.size else 0.0


def is_spoken(pcm: bytes, at_seconds: float = 0.0) -> bool:
    """Whether the whole sentence is heard whose padding begins at that time."""
    begin, end = (at_seconds + at for at in SPOKEN)
    voiced = min(loudness(pcm, at, at + 0.25) for at in np.arange(begin + 0.1, end - 0.3, 0.25))
    around = max(loudness(pcm, at_seconds + 0.2, begin - 0.1), loudness(pcm, end + 0.1, at_seconds + 5.2))
    return voiced > 800 and around < 100
