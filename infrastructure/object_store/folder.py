"""Objects as files in a folder; each is written aside, synced to the disk and then renamed into place."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from domain.ports import ObjectMissing
from infrastructure.object_store.keys import require_valid_key

INCOMING: Final = ".incoming"
"""Where objects are written before they have their name; keys cannot reach it."""
LEFTOVER_SECONDS: Final = 24 * 3600.0
"""A file this old in there belongs to a process that was killed."""


class FolderObjectStore:
    """Any number of processes may share the folder; it must be one file system, so that renames are atomic."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / INCOMING

    async def prepare(self) -> None:
        """Makes the folder, and clears away what killed processes left half-written."""
        await asyncio.to_thread(self._prepare)

    async def put(self, key: str, content: bytes) -> None:
        path = self._path(key)
        await asyncio.to_thread(self._write, path, lambda aside: _write_bytes(aside, content))

    async def put_file(self, key: str, path: Path) -> None:
        target = self._path(key)
        await asyncio.to_thread(self._write, target, lambda aside: shutil.copyfile(path, aside))

    async def get(self, key: str) -> bytes:
        path = self._path(key)
        with _missing(key):
            return await asyncio.to_thread(path.read_bytes)

    async def stream(self, key: str, chunk_bytes: int = 1 << 20) -> AsyncIterator[bytes]:
        path = self._path(key)
        with _missing(key):
            file = await asyncio.to_thread(path.open, "rb")
        try:
            while chunk := await asyncio.to_thread(file.read, chunk_bytes):
                yield chunk
        finally:
            file.close()

    async def fetch(self, key: str, path: Path) -> None:
        await asyncio.to_thread(_copy_out, key, self._path(key), path)

    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        path = self._path(key)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / require_valid_key(key)

    def _prepare(self) -> None:
        self._incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():
            try:
                if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    leftover.unlink()
            except FileNotFoundError:
                continue  # Another process was faster.

    def _write(self, path: Path, fill: Callable[[Path], object]) -> None:
        aside = self._incoming / uuid4().hex
        try:
            fill(aside)
            _sync(aside)
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        for folder in _folders_between(path, self._root):
            _sync(folder)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _copy_out(key: str, source: Path, target: Path) -> None:
    with _missing(key), source.open("rb") as reader, target.open("xb") as writer:
        try:
            shutil.copyfileobj(reader, writer, 1 << 20)
        except BaseException:
            target.unlink()
            raise


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


@contextmanager
def _missing(key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as problem:
        raise ObjectMissing(key) from problem
