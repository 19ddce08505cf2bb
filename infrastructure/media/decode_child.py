"""The decoding process: one recording as blocks of PCM, then one answer. Arguments: parent, limits, path, seconds at most.

A block is its length (32 bits, little-endian) and so many bytes; a block of length 0 says that the answer
follows. A process that dies has not sent it, so half a recording never looks like a whole one.
"""

import signal
import struct
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from domain.errors import MediaTooLong, NotMedia, TruncatedMedia, UnreadableMedia
from infrastructure.media.answers import Answer, Decoded, encode_answer, refusal_of
from infrastructure.media.extent import start_seconds, tolerance_seconds
from infrastructure.media.formats import audio_stream, open_media
from infrastructure.media.pcm import BYTES_PER_SECOND, LENGTH, SAMPLE_BYTES, SAMPLE_RATE
from infrastructure.media.sandbox import Limits, confine, end_with_parent

HOLE_SECONDS: Final = Fraction(1, 10)
"""Sound that comes later than this after the sound before it has silence put between."""
SILENCE_BLOCK: Final = bytes(BYTES_PER_SECOND)


class Resampler:
    """Any sound to 16 kHz mono; streams that change their form on the way (joined files do) are followed."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None

    def convert(self, frame: AudioFrame) -> Iterator[bytes]:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or form != self._form:
            yield from self.flush()
            self._resampler, self._form = AudioResampler("s16", "mono", SAMPLE_RATE), form
        yield from map(_bytes_of, self._resampler.resample(frame))

    def flush(self) -> Iterator[bytes]:
        if self._resampler is not None:
            yield from map(_bytes_of, self._resampler.resample(None))
            self._resampler = None


def _bytes_of(frame: AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]


class Decoding:
    """One pass over a recording; `decoded_seconds` and `lost_seconds` are right once `blocks` has ended."""

    def __init__(self, path: Path, seconds_max: float) -> None:
        self._path = path
        self._seconds_max = seconds_max
        self._resampler = Resampler()
        self.decoded_seconds = Fraction(0)
        """How far the recording has come, silence in its holes included."""
        self.lost_seconds = Fraction(0)
        """What the decoder refused."""

    def blocks(self) -> Iterator[bytes]:
        """16 kHz mono signed 16-bit PCM. Raises a subclass of UnreadableMedia."""
        with open_media(self._path) as container:
            stream = audio_stream(container)
            start = start_seconds(container, stream)
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except FFmpegError:
                    self.lost_seconds += (packet.duration or 0) * (stream.time_base or 0)
                    continue
                for frame in frames:
                    yield from self._place(frame, start)
            yield from self._resampler.flush()

    def _place(self, frame: AudioFrame, start: Fraction) -> Iterator[bytes]:
        """The frame's sound, after silence if it comes later than the sound before it ended."""
        hole = Fraction(0)
        if frame.pts is not None and frame.time_base is not None:
            hole = frame.pts * frame.time_base - start - self.decoded_seconds
        if hole > HOLE_SECONDS:
            self._advance(hole)
            yield from _silence(hole)
        self._advance(Fraction(frame.samples, frame.sample_rate))
        yield from self._resampler.convert(frame)

    def _advance(self, seconds: Fraction) -> None:
        self.decoded_seconds += seconds
        if self.decoded_seconds > self._seconds_max:
            raise MediaTooLong(self._seconds_max)


def _silence(seconds: Fraction) -> Iterator[bytes]:
    missing = round(seconds * SAMPLE_RATE) * SAMPLE_BYTES
    while missing:
        block = SILENCE_BLOCK[:missing]
        missing -= len(block)
        yield block


def decode(path: Path, seconds_max: float, output: BinaryIO) -> Answer:
    """Writes the blocks to `output`; what comes back is the answer to write after them."""
    decoding = Decoding(path, seconds_max)
    try:
        for block in decoding.blocks():
            if block:
                output.write(struct.pack(LENGTH, len(block)) + block)
        return _verdict(float(decoding.decoded_seconds), float(decoding.lost_seconds))
    except UnreadableMedia as rejection:
        return refusal_of(rejection)
    except MemoryError:  # It asks for more than any recording needs.
        return refusal_of(NotMedia())


def _verdict(decoded_seconds: float, lost_seconds: float) -> Answer:
    total_seconds = decoded_seconds + lost_seconds
    if lost_seconds > tolerance_seconds(total_seconds):
        return refusal_of(TruncatedMedia(total_seconds, decoded_seconds))
    return Decoded(duration_seconds=decoded_seconds)


def main(arguments: list[str]) -> None:
    parent, limits, path, seconds_max = arguments
    end_with_parent(int(parent))
    # Whoever stops reading wants no stack trace about it either.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    confine(msgspec.json.decode(limits, type=Limits), Path(path))
    output = sys.stdout.buffer
    answer = decode(Path(path), float(seconds_max), output)
    output.write(struct.pack(LENGTH, 0) + encode_answer(answer))
    output.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
