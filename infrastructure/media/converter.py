"""Any sound as the one form that engines hear."""

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from infrastructure.media.mixing import Mixer, Samples, samples_of
from infrastructure.media.pcm import SAMPLE_BYTES, SAMPLE_RATE


class Converter:
    """Any sound to 16 kHz mono; streams that change their form on the way (joined files do) are followed."""

    def __init__(self) -> None:
        self._resampler = AudioResampler("s16", "mono", SAMPLE_RATE)
        self._mixer = Mixer(1, SAMPLE_RATE)
        self._form: tuple[int, int] | None = None

    def convert(self, frame: AudioFrame) -> Iterator[bytes]:
        form = (frame.layout.nb_channels, frame.sample_rate)
        if form != self._form:
            yield from self.end()
            self._resampler, self._mixer, self._form = (
                AudioResampler("s16", "mono", SAMPLE_RATE),
                Mixer(*form),
                form,
            )
        yield from self._resample(self._mixer.mix(samples_of(frame)))

    def flush(self) -> Iterator[bytes]:
        """What waits to be mixed, before silence follows."""
        yield from self._resample(self._mixer.flush())

    def end(self) -> Iterator[bytes]:
        yield from self.flush()
        if self._form is not None:
            yield from map(_bytes_of, self._resampler.resample(None))

    def _resample(self, sound: Samples) -> Iterator[bytes]:
        if self._form is not None and sound.size:
            frame = AudioFrame.from_ndarray(sound.reshape(1, -1), format="fltp", layout="mono")
            frame.sample_rate = self._form[1]
            yield from map(_bytes_of, self._resampler.resample(frame))


def _bytes_of(frame: AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]
