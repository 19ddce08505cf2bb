"""Which uploads are under way in all API processes of a machine, in memory that they share."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from api.share import ALONE, Share

UPLOADS_MAX: Final = 1_024
"""In one process; more than it answers requests at once."""
_WORD_BYTES: Final = 8
_HIGH_WORD: Final = 64
_REGION_WORDS: Final = 1 + 3 * UPLOADS_MAX
"""How many places were ever in use, and of each the user's id in two words, and the bytes and one; 0 is a free place."""
_FILE: Final = "uploads"


class UploadTable:
    """Each process writes a region of its own and reads all, without a lock: a frozen or killed one holds up nobody.

    So whoever takes something puts it down first, looks then whether all of it together is allowed, and else takes it
    back. Two who do so at once may both be refused; never are both allowed what is there for one.
    """

    def __init__(self, share: Share = ALONE) -> None:
        """What a killed process of the same number had is free from now on."""
        self._words = memoryview(_memory_of(share)).cast("Q")
        self._own = share.number * _REGION_WORDS
        self._regions = range(0, share.count * _REGION_WORDS, _REGION_WORDS)
        self._free: list[int] = []
        self._words[self._own] = 0
        self._words[self._own + 1 : self._own + _REGION_WORDS] = memoryview(
            bytes(_WORD_BYTES * (_REGION_WORDS - 1))
        ).cast("Q")

    def enter(self, user_id: UUID) -> int | None:
        """A place, with no bytes yet; None where there is no place left."""
        used = self._words[self._own]
        if not self._free and used == UPLOADS_MAX:
            return None
        place = self._free.pop() if self._free else self._own + 1 + 3 * used
        self._words[place], self._words[place + 1] = divmod(user_id.int, 1 << _HIGH_WORD)
        self._words[place + 2] = 1
        self._words[self._own] = max(used, (place - self._own - 1) // 3 + 1)
        return place

    def put(self, place: int, count: int) -> None:
        self._words[place + 2] = count + 1

    def leave(self, place: int) -> None:
        self._words[place + 2] = 0
        self._free.append(place)

    def bytes_of(self, user_id: UUID) -> list[int]:
        """Of each of the user's uploads."""
        wanted = divmod(user_id.int, 1 << _HIGH_WORD)
        return [count for high, low, count in self._uploads() if (high, low) == wanted]

    def bytes_in_all(self) -> int:
        return sum(count for _, _, count in self._uploads())

    def _uploads(self) -> Iterator[tuple[int, int, int]]:
        for region in self._regions:
            begin, end = region + 1, region + 1 + 3 * self._words[region]
            rows = zip(
                self._words[begin:end:3],
                self._words[begin + 1 : end : 3],
                self._words[begin + 2 : end : 3],
                strict=True,
            )
            yield from ((high, low, count - 1) for high, low, count in rows if count)


def provide_upload_table(folder: Path, count: int) -> None:
    """Raises OSError for a full disk, here and not in the middle of an upload."""
    with (folder / _FILE).open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, count * _REGION_WORDS * _WORD_BYTES)


def _memory_of(share: Share) -> mmap.mmap | bytearray:
    if share.folder is None:
        return bytearray(share.count * _REGION_WORDS * _WORD_BYTES)
    with (share.folder / _FILE).open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)
