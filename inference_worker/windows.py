"""Cuts a stream of sound into windows that are transcribed, stored and resumed one by one, at flat memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from msgspec import Struct

from domain.ports import Window
from infrastructure.media.pcm import BYTES_PER_MS, SAMPLE_BYTES

PauseFinder: TypeAlias = Callable[[bytes], int]
"""Given sound, says at which sample to cut it."""

WINDOW_SECONDS: Final = 60.0
"""About as long are windows, unless the engine or somebody else wants them otherwise: words are lost at the ends of short ones."""
SHORTEST_PERCENT: Final = 30
"""Less sound than this is hard to understand by itself."""
EARLIEST_PERCENT: Final = 70
LATEST_PERCENT: Final = 107
"""Of 28 s this is the 30 s that Whisper hears at once: windows of up to 35 s had three times as many wrong words."""


class WindowStart(Struct, frozen=True, kw_only=True):
    """Where to begin: the number of the next window, and how much of the recording is done."""

    index: int = 0
    start_ms: int = 0


def cut_windows(
    blocks: Iterable[bytes], *, size_ms: int, begin: WindowStart, find_pause: PauseFinder
) -> Iterator[Window]:
    """Windows of 70 to 107 % of the size, cut at whole milliseconds; the last two may have as little as 30 %.

    `blocks` is the recording from its beginning; what lies before `begin` is skipped.
    """
    shortest, earliest, latest = (
        size_ms * percent // 100 * BYTES_PER_MS
        for percent in (SHORTEST_PERCENT, EARLIEST_PERCENT, LATEST_PERCENT)
    )
    cutter = _Cutter(begin, find_pause)
    for block in _after(blocks, begin.start_ms * BYTES_PER_MS):
        cutter.buffered += block
        while len(cutter.buffered) >= latest + shortest:
            yield cutter.cut(earliest, latest)
    if len(cutter.buffered) > latest:
        yield cutter.cut(shortest, len(cutter.buffered) - shortest)
    if cutter.buffered:
        yield cutter.take(len(cutter.buffered))


class _Cutter:
    """The sound that is in no window yet."""

    def __init__(self, begin: WindowStart, find_pause: PauseFinder) -> None:
        self.buffered = bytearray()
        self._next = begin
        self._find_pause = find_pause

    def cut(self, earliest: int, latest: int) -> Window:
        """The sound up to the best place between two bytes of the buffer."""
        pause = self._find_pause(bytes(self.buffered[earliest:latest])) * SAMPLE_BYTES
        return self.take((earliest + min(pause, latest - earliest)) // BYTES_PER_MS * BYTES_PER_MS)

    def take(self, size: int) -> Window:
        pcm = bytes(self.buffered[:size])
        del self.buffered[:size]
        index, start_ms = self._next.index, self._next.start_ms
        end_ms = start_ms - (-len(pcm) // BYTES_PER_MS)  # rounded up, which only the last one needs
        self._next = WindowStart(index=index + 1, start_ms=end_ms)
        return Window(index=index, start_ms=start_ms, end_ms=end_ms, pcm=pcm)


def _after(blocks: Iterable[bytes], skipped: int) -> Iterator[bytes]:
    for block in blocks:
        yield block[skipped:]
        skipped = max(0, skipped - len(block))
