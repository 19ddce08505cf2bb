"""Cuts a stream of sound into windows that are transcribed, stored and resumed one by one, at flat memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from msgspec import Struct

from domain.ports import Window
from infrastructure.media.pcm import SAMPLE_BYTES, SAMPLES_PER_MS

PauseFinder: TypeAlias = Callable[[bytes], int]
"""Given sound, says at which sample to cut it."""

BYTES_PER_MS: Final = SAMPLES_PER_MS * SAMPLE_BYTES
EARLIEST_PERCENT: Final = 75
LATEST_PERCENT: Final = 125
BUFFERED_PERCENT: Final = 150
"""More than the latest cut, so that what is left for the last window is not too short to be understood."""


class Place(Struct, frozen=True, kw_only=True):
    """Where to begin: the number of the next window, and how much of the recording is done."""

    index: int = 0
    start_ms: int = 0


def cut_windows(
    blocks: Iterable[bytes], *, size_ms: int, begin: Place, find_pause: PauseFinder
) -> Iterator[Window]:
    """Windows of 75 to 125 % of the size, cut at whole milliseconds; the last one may have up to 150 %.

    `blocks` is the recording from its beginning; what lies before `begin` is skipped.
    """
    earliest, latest, enough = (
        size_ms * percent // 100 * BYTES_PER_MS
        for percent in (EARLIEST_PERCENT, LATEST_PERCENT, BUFFERED_PERCENT)
    )
    buffered = bytearray()
    for block in _after(blocks, begin.start_ms * BYTES_PER_MS):
        buffered += block
        while len(buffered) >= enough:
            pause = find_pause(bytes(buffered[earliest:latest])) * SAMPLE_BYTES
            cut = earliest + min(pause // BYTES_PER_MS * BYTES_PER_MS, latest - earliest)
            window = _window(begin, bytes(buffered[:cut]))
            del buffered[:cut]
            begin = Place(index=begin.index + 1, start_ms=window.end_ms)
            yield window
    if buffered:
        yield _window(begin, bytes(buffered))


def _after(blocks: Iterable[bytes], skipped: int) -> Iterator[bytes]:
    for block in blocks:
        yield block[skipped:]
        skipped = max(0, skipped - len(block))


def _window(begin: Place, pcm: bytes) -> Window:
    length_ms = -(-len(pcm) // BYTES_PER_MS)
    return Window(index=begin.index, start_ms=begin.start_ms, end_ms=begin.start_ms + length_ms, pcm=pcm)
