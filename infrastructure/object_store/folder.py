"""Objects as private files in a folder; each is written aside, synced to the disk and then renamed into place."""

import asyncio
import errno
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from domain.ports import ObjectMissing, ObjectStoreUnavailable
from infrastructure.disk import require_writable
from infrastructure.object_store.keys import require_valid_key
from infrastructure.private_files import open_private, provide_private

INCOMING: Final = ".incoming"
"""Where objects are written before they have their name; keys cannot reach it."""
LEFTOVER_SECONDS: Final = 24 * 3600.0
"""A file this old in there belongs to a process that was killed."""
_ASIDE_CHARACTERS_MAX: Final = 200
"""Of a key in the name of what is on its way there: file systems take names of 255 bytes."""

_OUTAGES: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT}
)
"""A full or broken disk, a network folder whose server is away."""


class FolderObjectStore:
    """Any number of processes may share the folder; it must be one file system, so that renames are atomic."""

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self._root = root
        self._incoming = root / INCOMING
        self._telltale = root if read_only else self._incoming
        """What is there while the disk is; who only reads may have a copy of some objects and no more."""

    async def prepare(self) -> None:
        """Makes the folder, and clears away what killed processes left half-written.

        Raises OSError when it cannot be written.
        """
        await asyncio.to_thread(self._prepare)

    async def put(self, key: str, content: bytes) -> None:
        path = self._path(key)
        await asyncio.to_thread(self._write, path, lambda aside: _write_bytes(aside, content))

    async def put_file(self, key: str, path: Path) -> None:
        target = self._path(key)
        await asyncio.to_thread(self._write, target, lambda aside: shutil.copyfile(path, aside))

    async def get(self, key: str) -> bytes:
        path = self._path(key)
        with _missing(key), self._there():
            return await asyncio.to_thread(path.read_bytes)

    async def stream(
        self, key: str, chunk_bytes: int = 1 << 20, *, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        path = self._path(key)
        with _missing(key), self._there():
            file = await _opened(path)
        try:
            file.seek(start)
            left = sys.maxsize if end is None else end - start
            while chunk := await self._read(file, min(chunk_bytes, left)):
                left -= len(chunk)
                yield chunk
        finally:
            file.close()

    async def fetch(self, key: str, path: Path) -> None:
        source = self._path(key)
        with _missing(key), self._there():
            reader = await _opened(source)
        with reader:
            await asyncio.to_thread(self._copy_out, reader, path)

    async def exists(self, key: str) -> bool:
        path = self._path(key)
        with self._there():
            if await asyncio.to_thread(path.is_file):
                return True
            self._require_folder()
        return False

    async def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            with self._there():
                await asyncio.to_thread(path.unlink)
        except FileNotFoundError:
            return

    async def delete_all(self, folder: str) -> None:
        path = self._path(folder)
        with self._there():
            self._require_folder()
            await asyncio.to_thread(self._remove_all, path, _aside_name(f"{folder}/"))

    def _remove_all(self, path: Path, aside: str) -> None:
        """First what is on its way there, also that of a process that was killed, and then what has arrived."""
        for incoming in self._incoming.iterdir():
            if incoming.name.startswith(aside):
                incoming.unlink(missing_ok=True)
        while path.is_dir():
            try:
                shutil.rmtree(path)
            except FileNotFoundError:
                continue  # Somebody else is at it.
            except OSError as problem:
                if problem.errno != errno.ENOTEMPTY:  # Something has just arrived.
                    raise
        if path.parent.is_dir():
            _sync(path.parent)

    async def _read(self, file: BinaryIO, chunk_bytes: int) -> bytes:
        with self._there():
            return await asyncio.to_thread(file.read, chunk_bytes)

    def _copy_out(self, reader: BinaryIO, target: Path) -> None:
        """Only what goes wrong with the reader is an outage: the target lies on another disk."""
        with target.open("xb") as writer:
            try:
                while chunk := self._next(reader):
                    writer.write(chunk)
            except BaseException:
                target.unlink()
                raise

    def _next(self, reader: BinaryIO) -> bytes:
        with self._there():
            return reader.read(1 << 20)

    @contextmanager
    def _there(self) -> Iterator[None]:
        """Raises ObjectStoreUnavailable when an error says that the folder or its disk cannot be used."""
        try:
            yield
        except OSError as problem:
            if problem.errno in _OUTAGES:
                raise ObjectStoreUnavailable(f"{self._root}: {problem.strerror}") from problem
            self._require_folder()
            raise

    def _require_folder(self) -> None:
        """A folder that was not mounted is empty."""
        if not self._telltale.is_dir():
            raise ObjectStoreUnavailable(f"{self._telltale} is gone")

    def _path(self, key: str) -> Path:
        return self._root / require_valid_key(key)

    def _prepare(self) -> None:
        provide_private(self._incoming)
        require_writable(self._incoming)
        for leftover in self._incoming.iterdir():
            try:
                if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    leftover.unlink()
            except FileNotFoundError:
                continue  # Another process was faster.

    def _write(self, path: Path, fill: Callable[[Path], object]) -> None:
        aside = self._incoming / f"{_aside_name(str(path.relative_to(self._root)))}+{uuid4().hex}"
        with self._there():
            try:
                open_private(aside, "xb").close()
                fill(aside)
                self._arrive(aside, path)
            finally:
                aside.unlink(missing_ok=True)

    def _arrive(self, aside: Path, path: Path) -> None:
        try:
            _sync(aside)
            provide_private(path.parent)
            aside.replace(path)
            for folder in _folders_between(path, self._root):
                _sync(folder)
        except FileNotFoundError as problem:
            self._require_folder()
            raise ObjectStoreUnavailable("what was being put was deleted meanwhile") from problem


def _aside_name(key: str) -> str:
    """What the names of all begin with that are on their way to this key, or below this folder."""
    return key[:_ASIDE_CHARACTERS_MAX].replace("/", "+")


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _sync(path: Path) -> None:
    """A folder is synced as a file is: without that a new name in it can be lost with the power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folders_between(path: Path, root: Path) -> Iterator[Path]:
    for folder in path.parents:
        yield folder
        if folder == root:
            return


async def _opened(path: Path) -> BinaryIO:
    """To read; whoever is cancelled meanwhile leaves no open file behind."""
    opening: asyncio.Task[BinaryIO] = asyncio.create_task(asyncio.to_thread(path.open, "rb"))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_opened)
        raise


def _close_opened(opening: asyncio.Task[BinaryIO]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as problem:
        raise ObjectMissing(key) from problem
