"""A ZIP file on its way out: each member is packed while it is read, and nothing of it is kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from datetime import datetime
from io import RawIOBase
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from msgspec import Struct

AT_ONCE_BYTES_MAX: Final = 64 << 10
"""Larger pieces are packed off the event loop, which they would hold up."""
ZIP64_BYTES: Final = 1 << 31
"""From this size on a member is written in the form for large files, which some old programs cannot read (APPNOTE 4.4.8)."""
YEAR_MIN: Final = 1980
"""The first that a ZIP file can say."""


class Member(Struct, frozen=True, kw_only=True):
    """A file to be in it. `bytes_max` is no less than it will have; what is packed already need not be squeezed."""

    name: str
    at: datetime
    bytes_max: int
    chunks: AsyncGenerator[bytes, None]
    squeezed: bool = True


async def zipped(members: AsyncIterable[Member]) -> AsyncGenerator[bytes, None]:
    """The bytes of the file. One that breaks off has no directory at its end, so that no program takes it for whole."""
    sink = _Sink()
    with ZipFile(sink, "w") as archive:
        async for member in members:
            with archive.open(_entry_of(member), "w", force_zip64=member.bytes_max >= ZIP64_BYTES) as entry:
                async with aclosing(member.chunks) as chunks:
                    async for chunk in chunks:
                        await _write(entry, chunk)
                        if content := sink.take():
                            yield content
            if content := sink.take():
                yield content
    yield sink.take()


async def _write(entry: IO[bytes], chunk: bytes) -> None:
    if len(chunk) > AT_ONCE_BYTES_MAX:
        await asyncio.to_thread(entry.write, chunk)
    else:
        entry.write(chunk)


def _entry_of(member: Member) -> ZipInfo:
    """Deflated in any case: where it is not worth squeezing in blocks as they are, which say themselves where they end."""
    moment = member.at.timetuple()[:6]
    entry = ZipInfo(member.name, moment if moment[0] >= YEAR_MIN else (YEAR_MIN, 1, 1, 0, 0, 0))
    entry.compress_type = ZIP_DEFLATED
    entry._compresslevel = None if member.squeezed else 0  # type: ignore[attr-defined]  # noqa: SLF001  # public from 3.13
    entry.external_attr = 0o600 << 16
    return entry


class _Sink(RawIOBase):
    """Cannot be gone back in, which makes `zipfile` write sizes behind what they are of."""

    def __init__(self) -> None:
        super().__init__()
        self._content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # zipfile writes bytes alone
        self._content += content
        return len(content)

    def take(self) -> bytes:
        """What was written since the last time."""
        content, self._content = bytes(self._content), bytearray()
        return content
