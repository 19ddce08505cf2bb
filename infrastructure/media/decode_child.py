"""The decoding process: one recording as blocks of PCM, then one answer. Arguments: parent, limits, path, seconds at most.

A block is its length (32 bits, little-endian) and so many bytes; LOST in the length says that the bytes stand in place of
lost sound. A block of length 0 says that the answer follows. A process that dies has not sent it, so half a recording never looks like a whole one.
"""

import signal
import struct
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec
from av.audio.frame import AudioFrame

from domain.media_errors import MediaTooLong, NotMedia, UnreadableMedia
from infrastructure.media.answers import ODD, Answer, Decoded, encode_answer, refusal_of
from infrastructure.media.converter import Converter
from infrastructure.media.packets import Walk
from infrastructure.media.pcm import BYTES_PER_SECOND, LENGTH, LOST, SAMPLE_BYTES, SAMPLE_RATE
from infrastructure.media.reading import read_packets
from infrastructure.media.sandbox import Limits, confine, end_with_parent
from infrastructure.media.timeline import Timeline
from infrastructure.media.tracks import open_track

SILENCE_BLOCK: Final = bytes(BYTES_PER_SECOND)


class Block(NamedTuple):
    pcm: bytes
    is_lost: bool = False
    """Whether it is silence in place of sound that could not be decoded."""


class Decoding:
    """One pass over a recording; `timeline` has all its time once `blocks` has ended."""

    def __init__(self, path: Path, seconds_max: float) -> None:
        self._path = path
        self._seconds_max = seconds_max
        self._converter = Converter()
        self._has_sound = False
        self._lost_seconds = 0.0
        self.timeline = Timeline()

    def blocks(self) -> Iterator[Block]:
        """16 kHz mono signed 16-bit PCM. Raises a subclass of UnreadableMedia."""
        with open_track(self._path) as (container, stream):
            walk = Walk(container, stream, self._path)
            self.timeline = walk.timeline
            for packet in chain(read_packets(container, stream), (None,)):
                for hole, frame in walk.decode(packet):
                    yield from self._convert(hole, frame)
        yield from map(Block, self._converter.end())
        yield from self._silence(self.timeline.finish())
        if not self._has_sound:
            raise NotMedia

    def _convert(self, hole: float, frame: AudioFrame) -> Iterator[Block]:
        """The frame's sound, after silence if it comes later than the sound before it ended."""
        if self.timeline.position > self._seconds_max:
            raise MediaTooLong(self._seconds_max)
        if hole:
            yield from map(Block, self._converter.flush())
            yield from self._silence(hole)
        self._has_sound = True
        yield from map(Block, self._converter.convert(frame))

    def _silence(self, seconds: float) -> Iterator[Block]:
        """A pause, or what was lost since the last one."""
        lost = self.timeline.damages.lost_seconds > self._lost_seconds
        self._lost_seconds = self.timeline.damages.lost_seconds
        missing = round(seconds * SAMPLE_RATE) * SAMPLE_BYTES
        while missing:
            block = SILENCE_BLOCK[:missing]
            missing -= len(block)
            yield Block(block, lost)


def decode(path: Path, seconds_max: float, output: BinaryIO) -> Answer:
    """Writes the blocks to `output`; what comes back is the answer to write after them."""
    decoding = Decoding(path, seconds_max)
    try:
        for block in decoding.blocks():
            if block.pcm:
                output.write(struct.pack(LENGTH, len(block.pcm) + LOST * block.is_lost) + block.pcm)
        return _decoded(decoding.timeline)
    except UnreadableMedia as rejection:
        return refusal_of(rejection)
    except ODD:
        return _decoded(decoding.timeline) if decoding.timeline.position else refusal_of(NotMedia())


def _decoded(timeline: Timeline) -> Decoded:
    return Decoded(
        duration_seconds=round(timeline.position, 6),
        lost_seconds=round(timeline.damages.lost_seconds, 6),
        damages=timeline.damages.listed(),
    )


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
