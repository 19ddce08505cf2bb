"""The system's random bits, fetched in blocks: a system call for each id is as dear as all else of it."""

import os
import struct
from collections.abc import Iterator
from typing import Final

_NUMBERS_PER_BLOCK: Final = 256


class RandomBits:
    """Numbers of as many bytes. Any thread may take some: the next of an iterator goes to one of them."""

    def __init__(self, byte_count: int) -> None:
        self._byte_count = byte_count
        self._numbers: Iterator[int] = iter(())
        # A child that went on with its parent's block would give the same ids.
        os.register_at_fork(after_in_child=self._forget)

    def next(self) -> int:
        while (number := next(self._numbers, None)) is None:
            self._numbers = self._block()
        return number

    def _block(self) -> Iterator[int]:
        size = self._byte_count
        block = os.urandom(size * _NUMBERS_PER_BLOCK)
        return iter([int.from_bytes(block[at : at + size], "big") for at in range(0, len(block), size)])

    def _forget(self) -> None:
        self._numbers = iter(())


class RandomBytes:
    """As many bytes at a time, in half the time that a number takes. Any thread may take some, as above."""

    def __init__(self, byte_count: int) -> None:
        self._piece = struct.Struct(f"{byte_count}s")
        self._pieces: Iterator[tuple[bytes]] = iter(())
        os.register_at_fork(after_in_child=self._forget)

    def next(self) -> bytes:
        while (piece := next(self._pieces, None)) is None:
            block = os.urandom(self._piece.size * _NUMBERS_PER_BLOCK)
            self._pieces = self._piece.iter_unpack(block)
        return piece[0]

    def _forget(self) -> None:
        self._pieces = iter(())
