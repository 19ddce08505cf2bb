"""A file read without some of its bytes, or with others: tags in front that hide what it is, chunks between its sound."""

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

_ID3_HEAD_BYTES: Final = 10
_OFFSET_MAX: Final = (1 << 63) - 1
_ID3_HAS_FOOT: Final = 0x10
"""A flag: the head is repeated at the end (section 3.4)."""


def id3_bytes(descriptor: int) -> int:
    """How long the ID3v2 tags in front are (id3.org, ID3v2.4, section 3.1); taggers put them before anything."""
    at = 0
    while (head := os.pread(descriptor, _ID3_HEAD_BYTES, at)).startswith(b"ID3") and len(
        head
    ) == _ID3_HEAD_BYTES:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        at += _ID3_HEAD_BYTES + size + (_ID3_HEAD_BYTES if head[5] & _ID3_HAS_FOOT else 0)
    return at


def read_at(descriptor: int, count: int, at: int) -> bytes:
    """Nothing where a file that lies about its sizes would have it read."""
    return os.pread(descriptor, count, at) if at <= _OFFSET_MAX else b""


class Spans:
    """A file of a new head and some spans of an open one, to be read by PyAV.

    `patches` stand in place of what the open one has at these offsets.
    """

    def __init__(
        self,
        descriptor: int,
        head: bytes,
        spans: Sequence[tuple[int, int]],
        patches: Mapping[int, bytes] | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._patches = patches or {}
        self._patched_from = min(self._patches, default=0)
        self._patched_until = max((at + len(patch) for at, patch in self._patches.items()), default=0)
        self._head = head
        self._spans = spans
        self._begins = list(accumulate((end - begin for begin, end in spans), initial=len(head)))
        self._at = 0

    def read(self, count: int) -> bytes:
        if self._at < len(self._head):
            piece = self._head[self._at : self._at + count]
        elif self._at < self._begins[-1]:
            number = bisect_right(self._begins, self._at) - 1
            begin, end = self._spans[number]
            offset = begin + self._at - self._begins[number]
            piece = self._patched(os.pread(self._descriptor, min(count, end - offset), offset), offset)
        else:
            piece = b""
        self._at += len(piece)
        return piece

    def _patched(self, piece: bytes, offset: int) -> bytes:
        """Of each patch as much as lies in this piece."""
        if offset >= self._patched_until or offset + len(piece) <= self._patched_from:
            return piece
        changed = bytearray(piece)
        for at, patch in self._patches.items():
            first, last = max(at, offset), min(at + len(patch), offset + len(piece))
            if first < last:
                changed[first - offset : last - offset] = patch[first - at : last - at]
        return bytes(changed)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._begins[-1]}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        return self._at
