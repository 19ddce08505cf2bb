"""Whether what follows the sound of a file is none: unused space, text, or bytes in which no sign is more frequent than another."""

import string
from collections.abc import Iterator
from typing import Final

import numpy as np

from infrastructure.media.spans import read_at

BLANKS: Final = b"\0\xff"
"""What disks and flash memory have where nothing was written."""
_TEXT: Final = string.printable.encode()
BLOCK_BYTES: Final = 1 << 16
JUDGED_BYTES_MIN: Final = 512
"""Fewer tell nothing, and are no sound to speak of."""
UNIFORM_MAX: Final = 400.0
"""Of 256 signs that are equally frequent chi squared is 255 on average, and above this in one of ten million cases."""


def is_no_sound(descriptor: int, at: int, size: int) -> bool:
    """Sound of any code has signs that are more frequent, and loud noise nobody records."""
    return all(
        not block.translate(None, _TEXT) or _is_uniform(block) for block in _used(descriptor, at, size)
    )


def is_junk(descriptor: int, at: int, size: int) -> bool:
    """The same without text."""
    return all(map(_is_uniform, _used(descriptor, at, size)))


def _used(descriptor: int, at: int, size: int) -> Iterator[bytes]:
    """What is to be judged of each block."""
    while at < size and (block := read_at(descriptor, min(BLOCK_BYTES, size - at), at)):
        used = block.strip(BLANKS)
        if len(used) >= JUDGED_BYTES_MIN:
            yield used
        at += len(block)


def _is_uniform(content: bytes) -> bool:
    expected = len(content) / 256
    counts = np.bincount(np.frombuffer(content, np.uint8), minlength=256)
    return bool(np.square(counts - expected).sum() / expected <= UNIFORM_MAX)
