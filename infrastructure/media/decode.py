"""Decodes a recording to PCM in a sandboxed child process, at flat memory and only as fast as it is read."""

import os
import selectors
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from domain.media_errors import NotMedia
from domain.transcript import Damage
from infrastructure.media.answers import Answer, Decoded, Refused, decode_answer, rejection_of
from infrastructure.media.fork_server import ForkServer
from infrastructure.media.forked import Forked, fork
from infrastructure.media.pcm import BYTES_PER_SECOND, LENGTH, LOST
from infrastructure.media.sandbox import Limits
from infrastructure.media.timeline import Damages, tolerance_seconds
from infrastructure.media.warm import DECODE, MEDIA_CHILDREN

STALL_SECONDS_MAX: Final = 60.0
BLOCK_BYTES_MAX: Final = 1 << 24
READ_BYTES: Final = 1 << 16
ANSWER_BYTES_MAX: Final = 64 * 1024
CPU_SECONDS_MIN: Final = 60
REAL_TIME_FACTOR_MAX: Final = 0.5
"""Decoders are a hundred times faster than sound; one that needs half of real time is being abused."""


CRASHES: Final = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGXCPU}
)


class DecodingFailed(Exception):
    """The decoding process stalled, or could not do its work: no verdict on the recording."""


class DecoderCrashed(Exception):
    """The recording made the decoder fall over: what it gave before is sound."""


class PcmStream:
    """Iterate over it for the PCM, once.

    `decoded_seconds` says how long it is, `lost_seconds` and `damages` what is missing in it: all that was read so far,
    the whole at the end. It ends early where the decoder crashed after it had given sound.
    """

    def __init__(self, child: Forked) -> None:
        self._child = child
        self._pipe = child.output
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._read = bytearray()
        self._damages = Damages()
        self._answer: Decoded | None = None
        self.decoded_seconds = 0.0

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def damages(self) -> tuple[Damage, ...]:
        return self._answer.damages if self._answer is not None else self._damages.listed()

    @property
    def lost_seconds(self) -> float:
        return self._answer.lost_seconds if self._answer is not None else self._damages.lost_seconds

    def __iter__(self) -> Iterator[bytes]:
        """Raises a subclass of UnreadableMedia, or DecodingFailed."""
        try:
            yield from self._blocks()
            self._answer = self._verdict()
        except DecoderCrashed:
            if not self.decoded_seconds:
                raise NotMedia from None
        else:
            self.decoded_seconds = self._answer.duration_seconds

    def _blocks(self) -> Iterator[bytes]:
        while told := struct.unpack(LENGTH, self._take(struct.calcsize(LENGTH)))[0]:
            length = told & ~LOST
            if not 0 < length <= BLOCK_BYTES_MAX:
                raise NotMedia  # Only a process that the recording has taken over says this.
            block, seconds = self._take(length), length / BYTES_PER_SECOND
            if told & LOST:
                self._damages.add(self.decoded_seconds, self.decoded_seconds + seconds)
            yield block
            self.decoded_seconds += seconds

    def _take(self, count: int) -> bytes:
        while len(self._read) < count:
            chunk = self._receive()
            if not chunk:
                raise self._death()
            self._read += chunk
        taken = bytes(self._read[:count])
        del self._read[:count]
        return taken

    def _receive(self) -> bytes:
        if not self._selector.select(STALL_SECONDS_MAX):
            raise DecodingFailed(f"nothing was decoded for {STALL_SECONDS_MAX:.0f} s")
        return os.read(self._pipe, READ_BYTES)

    def _death(self) -> Exception:
        """A crash is the recording's doing, an error exit is ours. Being killed may be for want of memory."""
        exit_code = self._child.wait(STALL_SECONDS_MAX)
        if -exit_code in CRASHES:
            return DecoderCrashed()
        return NotMedia() if exit_code < 0 else DecodingFailed(f"the decoder exited with code {exit_code}")

    def _verdict(self) -> Decoded:
        while chunk := self._receive():
            self._read += chunk
            if len(self._read) > ANSWER_BYTES_MAX:
                raise NotMedia
        match _decode(bytes(self._read)):
            case Decoded() as answer:
                return answer
            case Refused() as refusal:
                raise rejection_of(refusal)
            case _:
                raise NotMedia

    def close(self) -> None:
        self._selector.close()
        self._child.end(STALL_SECONDS_MAX)


def _decode(answer: bytes) -> Answer | None:
    try:
        return decode_answer(answer)
    except msgspec.DecodeError:
        return None


@contextmanager
def open_pcm(
    path: Path, duration_seconds: float, server: ForkServer = MEDIA_CHILDREN
) -> Iterator[PcmStream]:
    """The sound of a recording that lasts `duration_seconds`; much more of it than that is MediaTooLong.

    Raises DecodingFailed when no decoder can be started. Ends the child, whether it has ended by itself or not.
    """
    limits = Limits(cpu_seconds=CPU_SECONDS_MIN + int(duration_seconds * REAL_TIME_FACTOR_MAX))
    seconds_max = duration_seconds + tolerance_seconds(duration_seconds)
    arguments = (msgspec.json.encode(limits).decode(), str(path), str(seconds_max))
    try:
        child = fork(server, DECODE, *arguments)
    except OSError as problem:
        raise DecodingFailed(str(problem)) from problem
    stream = PcmStream(child)
    try:
        yield stream
    finally:
        stream.close()
