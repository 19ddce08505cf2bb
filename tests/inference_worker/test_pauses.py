"""A cut lies where nobody speaks."""

import array
from pathlib import Path

import numpy as np
import pytest

from inference_worker.pauses import longest_pause
from infrastructure.media.decode import open_pcm
from infrastructure.media.pcm import SAMPLE_BYTES, SAMPLE_RATE

SPEECH = Path(__file__).parents[2] / "samples" / "speech.ogg"
SPEECH_SECONDS = 74.9


@pytest.fixture(scope="module")
def speech() -> bytes:
    with open_pcm(SPEECH, SPEECH_SECONDS) as sound:
        return b"".join(sound)


def loudness(pcm: bytes, sample: int) -> float:
    """The mean of a fifth of a second around the sample."""
    around = array.array("h", pcm)[max(0, sample - SAMPLE_RATE // 10) : sample + SAMPLE_RATE // 10]
    return sum(map(abs, around)) / len(around)


@pytest.mark.parametrize("start_seconds", range(0, 60, 6))
def test_the_pause_in_speech_is_found(speech: bytes, start_seconds: int) -> None:
    stretch = speech[start_seconds * SAMPLE_RATE * SAMPLE_BYTES :][: 12 * SAMPLE_RATE * SAMPLE_BYTES]
    samples = np.frombuffer(stretch, dtype="<i2")
    assert loudness(stretch, longest_pause(stretch)) < 0.05 * float(np.abs(samples).mean()) + 5


def test_the_pause_is_found_under_noise(speech: bytes) -> None:
    """Where the quietest place says little: a voice is not just loudness."""
    stretch = speech[: 20 * SAMPLE_RATE * SAMPLE_BYTES]
    samples = np.frombuffer(stretch, dtype="<i2").astype(np.float64)
    hiss = np.random.default_rng(1).normal(size=len(samples)) * np.sqrt((samples**2).mean()) / 4
    noisy = np.clip(samples + hiss, -32_768, 32_767).astype("<i2").tobytes()
    assert loudness(stretch, longest_pause(noisy)) < 0.05 * float(np.abs(samples).mean()) + 5


def test_silence_is_cut_in_its_middle() -> None:
    assert longest_pause(bytes(10 * SAMPLE_RATE * SAMPLE_BYTES)) == pytest.approx(5 * SAMPLE_RATE, abs=512)


def test_the_same_sound_is_cut_at_the_same_place(speech: bytes) -> None:
    stretch = speech[: 20 * SAMPLE_RATE * SAMPLE_BYTES]
    assert longest_pause(stretch) == longest_pause(stretch)


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513])
def test_the_shortest_sound_is_cut_within_it(count: int) -> None:
    assert 0 <= longest_pause(bytes(count * SAMPLE_BYTES)) <= count
