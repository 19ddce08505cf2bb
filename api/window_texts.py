"""The texts of finished windows: read once in a process however many listen, and the last ones kept."""

import asyncio
import logging
from collections import OrderedDict
from typing import Final, TypeAlias

import msgspec

from domain.ports import ObjectMissing, ObjectStore, ObjectStoreUnavailable
from domain.transcript import text_of
from projections.live import WindowRow
from schemas.objects import segments_of_window

CHARACTERS_MAX: Final = 8 << 20
"""Of all texts that are kept; half a minute of speech is about 500."""
FETCHES_AT_ONCE: Final = 16
FETCH_SECONDS_MAX: Final = 5.0

_LOGGER: Final = logging.getLogger(__name__)

Place: TypeAlias = tuple[str, int, int, int]
"""A window of an attempt that has lost its lease may lie under the same key, and be cut otherwise. And one that is gone, since its
request was cancelled, comes again under it when the same is asked for anew, with a later attempt."""


class WindowTexts:
    def __init__(self, objects: ObjectStore, characters_max: int = CHARACTERS_MAX) -> None:
        self._objects = objects
        self._characters_max = characters_max
        self._kept: OrderedDict[Place, str | None] = OrderedDict()
        self._kept_characters = 0
        self._fetches: dict[Place, asyncio.Task[str | None]] = {}
        self._free = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def text(self, window: WindowRow) -> str | None:
        """None where it is gone, as it is soon after the transcription has ended. Raises ObjectStoreUnavailable."""
        place = window.key, window.start_ms, window.end_ms, window.attempt
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        fetch = self._fetches.get(place)
        if fetch is None:
            fetch = self._fetches[place] = asyncio.create_task(self._fetch(place), name="window text")
            fetch.add_done_callback(_retrieved)
        return await asyncio.shield(fetch)

    async def _fetch(self, place: Place) -> str | None:
        try:
            text = await self._read(place[0])
            self._keep(place, text)
            return text
        finally:
            del self._fetches[place]

    async def _read(self, key: str) -> str | None:
        try:
            async with asyncio.timeout(FETCH_SECONDS_MAX), self._free:
                content = await self._objects.get(key)
            return text_of(segments_of_window(content))
        except ObjectMissing:
            return None
        except msgspec.DecodeError as problem:
            # The transcript will have what is said there, or the attempt fails.
            _LOGGER.error("a finished window cannot be read: %r", problem)  # noqa: TRY400  # the place says nothing
            return None
        except TimeoutError as problem:
            raise ObjectStoreUnavailable(f"no window within {FETCH_SECONDS_MAX:g} s") from problem

    def _keep(self, place: Place, text: str | None) -> None:
        self._kept[place] = text
        self._kept_characters += _size(text)
        while self._kept_characters > self._characters_max:
            _, dropped = self._kept.popitem(last=False)
            self._kept_characters -= _size(dropped)


def _size(text: str | None) -> int:
    return len(text or "") + 256  # The place and the entry are kept too.


def _retrieved(fetch: "asyncio.Task[str | None]") -> None:
    """Whoever asked may have gone; then nobody needs to hear what went wrong."""
    if not fetch.cancelled():
        fetch.exception()
