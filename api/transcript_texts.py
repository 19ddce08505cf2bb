"""Transcripts by key, with the last ones kept in memory: they are content-addressed and never change."""

from collections import OrderedDict
from typing import Final

import msgspec

from domain.ports import ObjectStore
from domain.transcript import Transcript
from schemas.objects import decode_transcript

BYTES_MAX: Final = 32 << 20
"""Of stored transcripts, as JSON; an hour of speech is about 800 kB."""


class _Text(msgspec.Struct):
    text: str


_TEXT: Final = msgspec.json.Decoder(_Text)


class TranscriptTexts:
    def __init__(self, objects: ObjectStore, bytes_max: int = BYTES_MAX) -> None:
        self._objects = objects
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0

    async def text(self, key: str) -> str:
        """The text alone, which is much quicker to read than the words. Raises ObjectMissing."""
        return _TEXT.decode(await self._content(key)).text

    async def transcript(self, key: str) -> Transcript:
        """Raises ObjectMissing."""
        return decode_transcript(await self._content(key))

    async def _content(self, key: str) -> bytes:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        content = await self._objects.get(key)
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
