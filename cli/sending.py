"""A recording on its way to the API: a file that is there, can be read, and stays as it is meanwhile."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from infrastructure.mendable import Mendable

OnBytes = Callable[[int], None]
"""Told how many more bytes have been sent."""

_READ_ONLY: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""Nobody is waited for where it is a pipe."""


class NotSent(Mendable):
    """A recording that cannot be sent as it is, however often it is tried."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path.name} {why}")


class Changed(NotSent):
    """Somebody writes to it still, or made it shorter."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "was changed while it was sent: give it again once it is whole")


def text_of(path: Path) -> str:
    """As it can be sent and told: bytes that are no UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


@contextmanager
def opened_recording(path: Path, on_bytes: OnBytes) -> Iterator["Recording"]:
    """Raises NotSent, also where it cannot be read to its end."""
    try:
        with os.fdopen(os.open(path, _READ_ONLY), "rb") as content:
            if not stat.S_ISREG(os.fstat(content.fileno()).st_mode):
                raise NotSent(
                    path, "is no regular file, and a pipe cannot be sent twice: write it to a file first"
                )
            yield Recording(path, content, on_bytes)
    except OSError as problem:
        raise NotSent(path, f"cannot be read: {problem.strerror}") from problem


class Recording:
    """A file that tells how far it was read, and notices when it is longer or shorter than it was."""

    def __init__(self, path: Path, content: IO[bytes], on_bytes: OnBytes) -> None:
        self._path = path
        self._content = content
        self._on_bytes = on_bytes
        self._left_bytes = os.fstat(content.fileno()).st_size

    def read(self, size: int = -1) -> bytes:
        """Raises Changed."""
        piece = self._content.read(size)
        self._left_bytes -= len(piece)
        if self._left_bytes < 0 or (self._left_bytes and not piece):
            raise Changed(self._path)
        self._on_bytes(len(piece))
        return piece

    def fileno(self) -> int:
        """Lets the length be known before the first byte is sent."""
        return self._content.fileno()
