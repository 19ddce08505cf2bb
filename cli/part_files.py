"""Files of lines that are written in parts: what is not whole has another name, and is gone on with after a kill -9."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Final

from infrastructure.mendable import Mendable

_BLOCK_BYTES: Final = 1 << 20


class UnusableFile(Mendable):
    """What is there already, or cannot be written."""


class PartFile:
    """`FILE.part` while it grows, with what it is part of in `FILE.part.json`; `FILE` once it is whole."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.part = file.with_name(f"{file.name}.part")
        self._question = file.with_name(f"{file.name}.part.json")

    def begun(self) -> bytes | None:
        """What the part that is there is of; None where there is none. Raises UnusableFile."""
        if self.file.exists():
            raise UnusableFile(f"{self.file} is there already: remove it, or give another file")
        if not self.part.exists():
            return None
        try:
            return self._question.read_bytes()
        except OSError as problem:
            raise UnusableFile(
                f"nobody knows what {self.part} is a part of ({problem}): remove it"
            ) from problem

    def begin(self, question: bytes) -> None:
        """First what it will be of, so that no part is without that. Raises UnusableFile."""
        try:
            fresh = self._question.with_name(f"{self._question.name}.new")
            fresh.write_bytes(question)
            fresh.replace(self._question)
            self.part.touch()
        except OSError as problem:
            raise UnusableFile(f"cannot write {self.part}: {problem.strerror}") from problem

    @contextmanager
    def growing(self) -> Iterator["Lines"]:
        """Its whole lines, to be gone on with. Raises UnusableFile, also where another process is at it."""
        with self.part.open("r+b", buffering=0) as content:
            try:
                fcntl.flock(content, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UnusableFile(f"another process is writing {self.part}: wait for it") from None
            lines = Lines(self.part, content)
            try:
                yield lines
            finally:
                lines.flush()
            os.fsync(content.fileno())

    def end(self, whole: Path) -> None:
        """Gives `whole`, the part or what was made of it, its name."""
        whole.replace(self.file)
        for leftover in (self.part, self._question):
            with suppress(FileNotFoundError):
                leftover.unlink()


class Lines:
    """The lines of a file; a last one that is not whole is cut off. Methods raise UnusableFile."""

    def __init__(self, file: Path, content: FileIO) -> None:
        self._file = file
        self._content = content
        self._unwritten = bytearray()
        self._digest = sha256()
        self.count = 0
        self.last: bytes | None = None
        self._read()

    def _read(self) -> None:
        whole_bytes = 0
        with self._file.open("rb") as there:
            for line in there:
                if line.endswith(b"\n"):
                    whole_bytes += len(line)
                    self._take(line)
        self._content.truncate(whole_bytes)
        self._content.seek(whole_bytes)

    def write(self, line: bytes) -> None:
        """One line, without its end."""
        self._unwritten += line + b"\n"
        self._take(line + b"\n")
        if len(self._unwritten) >= _BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        try:
            while self._unwritten:
                del self._unwritten[: self._content.write(self._unwritten)]
        except OSError as problem:
            raise UnusableFile(
                f"cannot write {self._file}: {problem.strerror}; mend that, and go on with the same command"
            ) from problem

    def _take(self, line: bytes) -> None:
        self._digest.update(line)
        self.count += 1
        self.last = line

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def digest_of(file: Path) -> str:
    digest = sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
