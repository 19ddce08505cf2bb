"""Transcripts by key, with the last ones kept in memory: they are content-addressed and never change."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from domain.errors import TranscriptMissing
from domain.ports import ObjectMissing, ObjectStore, ObjectStoreUnavailable
from domain.transcript import Transcript
from schemas.objects import TranscriptOutline, decode_outline, decode_transcript

BYTES_MAX: Final = 32 << 20
"""Of stored transcripts, as JSON; an hour of speech is about 800 kB."""

AT_ONCE_BYTES_MAX: Final = 1 << 20
"""Of JSON: larger ones are read off the event loop, which they would hold up for more than 5 ms."""

FETCH_SECONDS_MAX: Final = 10.0
"""For a few megabytes."""

Decoded = TypeVar("Decoded")

_LOGGER: Final = logging.getLogger(__name__)


class _Text(msgspec.Struct):
    text: str


_TEXT: Final = msgspec.json.Decoder(_Text)


class TranscriptTexts:
    def __init__(self, objects: ObjectStore, bytes_max: int = BYTES_MAX) -> None:
        self._objects = objects
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._fetches: dict[str, asyncio.Task[bytes]] = {}

    async def text(self, key: str) -> str:
        """The text alone, which is much quicker to read than the words. Raises TranscriptMissing."""
        return (await self._decoded(key, _TEXT.decode)).text

    async def transcript(self, key: str) -> Transcript:
        """Raises TranscriptMissing."""
        return await self._decoded(key, decode_transcript)

    async def outline(self, key: str) -> TranscriptOutline:
        """For whoever sends it on: the words of ten hours are never all in memory. Raises TranscriptMissing."""
        return await self._decoded(key, decode_outline)

    async def _decoded(self, key: str, decode: Callable[[bytes], Decoded]) -> Decoded:
        try:
            content = await self._content(key)
            if len(content) > AT_ONCE_BYTES_MAX:
                return await asyncio.to_thread(decode, content)
            return decode(content)
        except (ObjectMissing, msgspec.DecodeError) as problem:
            # The operator's to mend, and the client can do nothing: so both are told.
            _LOGGER.error("a transcript cannot be read: %r", problem)  # noqa: TRY400  # the place says nothing
            raise TranscriptMissing from problem

    async def _content(self, key: str) -> bytes:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        fetch = self._fetches.get(key)
        if fetch is None:
            fetch = self._fetches[key] = asyncio.create_task(self._fetch(key), name="transcript")
            fetch.add_done_callback(_retrieved)
        return await asyncio.shield(fetch)

    async def _fetch(self, key: str) -> bytes:
        """Once for all who ask meanwhile: of a thousand who listen each is told of the end at the same moment."""
        try:
            async with asyncio.timeout(FETCH_SECONDS_MAX):
                content = await self._objects.get(key)
        except TimeoutError as problem:
            raise ObjectStoreUnavailable(f"no transcript within {FETCH_SECONDS_MAX:g} s") from problem
        finally:
            del self._fetches[key]
        self._keep(key, content)
        return content

    def _keep(self, key: str, content: bytes) -> None:
        if key in self._kept or len(content) > self._bytes_max:
            return
        self._kept[key] = content
        self._kept_bytes += len(content)
        while self._kept_bytes > self._bytes_max:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= len(dropped)


def _retrieved(fetch: "asyncio.Task[bytes]") -> None:
    """Whoever asked may have gone; then nobody needs to hear what went wrong."""
    if not fetch.cancelled():
        fetch.exception()
