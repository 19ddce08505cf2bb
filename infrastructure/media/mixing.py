"""Several channels heard as one, so that none cancels another and none is lost.

All channels count alike, whatever the layout calls them: speech may be in any. Those that are silent do not
make the others quieter, and one that is another turned upside down is turned back. Both are decided by slow
averages, so that nothing switches in the middle of a word, and changes are faded in.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame, format_dtypes
from av.audio.resampler import AudioResampler

Samples = npt.NDArray[np.float32]
"""Full scale is 1; one row for each channel."""

_WIDEST: Final = "dbl"
"""For formats that numpy is not given: integers of 64 bits."""
PLANES_MAX: Final = 7
"""With more, PyAV 18 looks for planes beyond the last one (it takes a null pointer for the end), and crashes."""
DECIDED_SECONDS: Final = 0.25
"""Each block of this length has its own weights."""
MEMORY_SECONDS: Final = 10.0
"""How long a channel is remembered that has fallen silent."""
ACTIVE_SHARE: Final = 1e-4
"""A channel this much weaker than the loudest (40 dB) counts as silent."""
OPPOSITE: Final = -0.5
ALIKE: Final = 0.3
"""A channel is turned when its correlation with the loudest falls below the one, and back above the other."""
LOUDER: Final = 4.0
"""The channel that others are compared with changes only to one so much louder."""


def samples_of(frame: AudioFrame) -> Samples:
    """What is no number is silence, and what is beyond full scale is cut off."""
    channels = frame.layout.nb_channels
    if frame.format.name not in format_dtypes or (frame.format.is_planar and channels > PLANES_MAX):
        [frame] = AudioResampler(_WIDEST, frame.layout).resample(frame)
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    match array.dtype.kind:
        case "f":
            real = np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=-1.0)
            samples = np.clip(real, -1.0, 1.0)
        case "u":
            samples = (array.astype(np.float64) - 128) / 128
        case _:
            samples = array / -float(np.iinfo(array.dtype.str).min)
    return np.ascontiguousarray(samples[:, : frame.samples], dtype=np.float32)


class Mixer:
    """Mixes a stream of `channels` channels, block by block."""

    def __init__(self, channels: int, rate: int) -> None:
        self._channels = channels
        self._block = max(1, int(rate * DECIDED_SECONDS))
        self._keep = 1 - DECIDED_SECONDS / MEMORY_SECONDS
        self._waiting: list[Samples] = []
        self._waiting_length = 0
        self._energy = np.zeros(channels)
        self._power = np.zeros(channels)
        self._product = np.zeros(channels)
        self._signs = np.ones(channels)
        self._loudest = 0
        self._weights: npt.NDArray[np.float64] | None = None

    def mix(self, samples: Samples) -> Samples:
        """One row, or none of it while a block is not full."""
        self._waiting.append(samples)
        self._waiting_length += samples.shape[1]
        if self._waiting_length < self._block:
            return np.zeros(0, np.float32)
        return self.flush()

    def flush(self) -> Samples:
        if not self._waiting:
            return np.zeros(0, np.float32)
        block = np.concatenate(self._waiting, axis=1)
        self._waiting, self._waiting_length = [], 0
        if self._channels == 1:
            return np.asarray(block[0])
        before, self._weights = self._weights, self._weigh(block)
        mixed = self._weights @ block
        if before is not None and not np.array_equal(before, self._weights):
            fade = np.linspace(0.0, 1.0, block.shape[1])
            mixed = mixed * fade + (before @ block) * (1 - fade)
        return np.asarray(np.clip(mixed, -1.0, 1.0), dtype=np.float32)

    def _weigh(self, block: Samples) -> npt.NDArray[np.float64]:
        energy = np.mean(np.square(block, dtype=np.float64), axis=1)
        keep = self._keep ** (block.shape[1] / self._block)
        self._energy = np.maximum(energy, self._energy * keep)
        self._follow_the_loudest()
        self._turn(block, keep)
        active = self._energy >= ACTIVE_SHARE * self._energy[self._loudest]
        return np.where(active, self._signs, 0.0) / max(1, int(np.count_nonzero(active)))

    def _follow_the_loudest(self) -> None:
        loudest = int(np.argmax(self._energy))
        if self._energy[loudest] > LOUDER * self._energy[self._loudest]:
            self._signs *= self._signs[loudest]
            self._product *= 0
            self._loudest = loudest

    def _turn(self, block: Samples, keep: float) -> None:
        reference = block[self._loudest].astype(np.float64)
        self._product = self._product * keep + block @ reference / block.shape[1]
        self._power = self._power * keep + np.mean(np.square(block, dtype=np.float64), axis=1)
        scale = np.sqrt(self._power * self._power[self._loudest])
        alike = np.divide(self._product, scale, out=np.zeros(self._channels), where=scale > 0)
        self._signs[alike < OPPOSITE] = -1.0
        self._signs[alike > ALIKE] = 1.0
        self._signs[self._loudest] = 1.0
