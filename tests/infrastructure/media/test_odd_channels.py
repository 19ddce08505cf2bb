"""Whatever is said in any channel or track is heard."""

from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler

from domain.media_errors import SoundUnsupported
from infrastructure.media.mixing import DECIDED_SECONDS, Mixer, samples_of
from infrastructure.media.probe import probe
from tests.infrastructure.media.odd_wavs import many_channels
from tests.infrastructure.media.recordings import FLAC, M4A, MKV, MP3, OGG, WAV, Form
from tests.infrastructure.media.sounds import Sound, is_spoken, loudness, sentence, silence, write_sound
from tests.infrastructure.media.test_odd_times import LIMITS, read

RATE: Final = 16_000
ALONE: Final = 32_000 * 0.6 * 0.2
"""About how loud the sentence is in one channel."""


@pytest.mark.parametrize("form", [WAV, FLAC, MP3, M4A, OGG], ids=lambda form: form.container)
async def test_channels_that_cancel_are_heard(form: Form, tmp_path: Path) -> None:
    """Row 16."""
    sound = sentence(form.rate)
    _, pcm = await read(write_sound(tmp_path / "media", form, sound, -sound))
    assert is_spoken(pcm)


@pytest.mark.parametrize("number", [0, 1])
async def test_what_is_said_in_one_channel_is_as_loud_as_alone(number: int, tmp_path: Path) -> None:
    """Row 17."""
    sound = sentence(RATE)
    _, alone = await read(write_sound(tmp_path / "alone", WAV, sound))
    _, pcm = await read(many_channels(tmp_path / "media", sound, count=2, number=number))
    assert is_spoken(pcm)
    assert loudness(pcm, 1, 4) == pytest.approx(loudness(alone, 1, 4), rel=0.05)


@pytest.mark.parametrize("count", [3, 6, 8, 17, 64])
async def test_what_is_said_in_the_last_of_many_channels_is_heard(count: int, tmp_path: Path) -> None:
    """Rows 18 and 19."""
    _, pcm = await read(many_channels(tmp_path / "media", sentence(RATE), count=count, number=count - 1))
    assert is_spoken(pcm)


@pytest.mark.parametrize("count", [65, 400])
async def test_more_channels_than_can_be_mixed_are_refused_by_their_number(
    count: int, tmp_path: Path
) -> None:
    """Row 19."""
    many = many_channels(tmp_path / "media", sentence(RATE)[:RATE], count=count, number=0)
    with pytest.raises(SoundUnsupported, match=f"{count} channels"):
        await probe(many, LIMITS)


@pytest.mark.parametrize("form", [MKV, Form("mp4", "aac")], ids=lambda form: form.container)
@pytest.mark.parametrize("spoken", [0, 1])
async def test_a_silent_track_is_passed_over(form: Form, spoken: int, tmp_path: Path) -> None:
    """Row 20."""
    tracks = [silence(form.rate, 5.5), silence(form.rate, 5.5)]
    tracks[spoken] = sentence(form.rate)
    _, pcm = await read(write_sound(tmp_path / "media", form, tracks[0], more=tracks[1:]))
    assert is_spoken(pcm)


async def test_of_two_tracks_with_sound_the_first_is_heard(tmp_path: Path) -> None:
    """Muxers mark it as default, if none is."""
    low = sentence(MKV.rate) * 0.25
    _, pcm = await read(write_sound(tmp_path / "media", MKV, low, more=[sentence(MKV.rate)]))
    assert loudness(pcm, 1.2, 3.8) < ALONE / 2


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 26, 64])
def test_planes_and_packed_samples_are_the_same(count: int) -> None:
    """With eight planes and more PyAV by itself reads beyond them."""
    layout = f"{count} channels"
    values = np.arange(count * 160, dtype=np.int16).reshape(1, -1) * 3
    packed = av.AudioFrame.from_ndarray(values, format="s16", layout=layout)
    packed.sample_rate = RATE
    [planar] = AudioResampler("fltp", layout).resample(packed)
    assert samples_of(packed).shape == (count, 160)
    assert np.array_equal(samples_of(planar), samples_of(packed))


def mixed(*channels: Sound, seconds: float = 0.02) -> Sound:
    mixer = Mixer(len(channels), RATE)
    block = round(seconds * RATE)
    samples = np.stack(channels).astype(np.float32)
    parts = [mixer.mix(samples[:, at : at + block]) for at in range(0, samples.shape[1], block)]
    return np.concatenate([*parts, mixer.flush()])


def noise(seed: int, seconds: float, gain: float = 0.2) -> Sound:
    return np.random.default_rng(seed).normal(0, gain, round(seconds * RATE)).clip(-1, 1)


def power(sound: Sound) -> float:
    return float(np.mean(np.square(sound)))


def test_two_people_in_two_channels_are_both_heard_whoever_speaks_first() -> None:
    left, right = noise(1, 8), noise(2, 8)
    left[4 * RATE :] = 0
    right[: 4 * RATE] = 0
    heard = mixed(left, right)
    for begin, end in ((0, 4), (4, 8)):
        assert power(heard[begin * RATE : end * RATE]) > 0.2 * power(
            (left + right)[begin * RATE : end * RATE]
        )


def test_a_mix_is_never_weaker_than_a_quarter_of_its_loudest_channel() -> None:
    """With two channels that share any part of their sound, turned or not."""
    voice, other = noise(1, 4), noise(2, 4)
    for share in np.linspace(-1, 1, 21):
        second = share * voice + (1 - abs(share)) * other
        heard = mixed(voice, second)
        assert power(heard) > 0.24 * max(power(voice), power(second)), share


def test_channels_that_are_neither_alike_nor_opposite_do_not_make_the_mix_switch() -> None:
    """Its weights stay, so that nothing is faded while people speak."""
    left, right = noise(1, 20), noise(2, 20)
    assert np.allclose(mixed(left, right), np.clip((left + right) / 2, -1, 1), atol=1e-5)


def test_a_block_is_as_long_as_what_came_in() -> None:
    for length in (1, 100, round(DECIDED_SECONDS * RATE), 7 * RATE + 3):
        assert mixed(np.ones(length), np.ones(length)).size == length
