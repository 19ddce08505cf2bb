"""The tiles of a partition in the object store, where everybody who verifies finds them."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from domain.ports import ObjectMissing, ObjectStore
from evidence.merkle import HASH_BYTES
from evidence.tiles import (
    WIDTH,
    HashTile,
    MalformedTile,
    Place,
    TreeEdge,
    bundle,
    decode_bundle,
    edge_of,
    encode_bundle,
)
from schemas.objects import evidence_key

CHECKPOINT: Final = "checkpoint"
AT_ONCE: Final = 16
"""Objects on their way; a bucket takes some hundredths of a second for each."""


class TileMissing(MalformedTile):
    """There is none, although a checkpoint says that there is."""


class PublishedTiles:
    """Every method raises ObjectStoreUnavailable."""

    def __init__(self, objects: ObjectStore, partition: int) -> None:
        self._objects = objects
        self._partition = partition

    async def put(self, tiles: Mapping[Place, bytes]) -> None:
        await _few_at_once(self._objects.put(self._key(place.path), tiles[place]) for place in tiles)

    async def delete(self, places: Iterable[Place]) -> None:
        await _few_at_once(self._objects.delete(self._key(place.path)) for place in places)

    async def hashes(self, place: Place) -> bytes:
        """Raises MalformedTile."""
        try:
            content = await self._get(place)
        except TileMissing:
            if place.width == WIDTH:
                raise
            content = (await self._of_full(place))[: place.width * HASH_BYTES]
        if len(content) != place.width * HASH_BYTES:
            raise MalformedTile(f"{self._key(place.path)} is cut off, or is no tile")
        return content

    async def entries(self, place: Place) -> Sequence[bytes]:
        """Raises MalformedTile."""
        try:
            found = decode_bundle(await self.bundle(place))
        except MalformedTile as problem:
            raise MalformedTile(f"{self._key(place.path)}: {problem}") from problem
        if len(found) != place.width:
            raise MalformedTile(
                f"{self._key(place.path)} has {len(found)} entries instead of {place.width}"
            )
        return found

    async def bundle(self, place: Place) -> bytes:
        """As it lies there, or as it lay before it was full. Raises MalformedTile."""
        try:
            return await self._get(place)
        except TileMissing:
            if place.width == WIDTH:
                raise
            return encode_bundle(decode_bundle(await self._of_full(place))[: place.width])

    async def edge(self, size: int) -> TreeEdge:
        """What it takes for a tree of `size` to grow. Raises MalformedTile."""
        return TreeEdge(size, [HashTile(place, await self.hashes(place)) for place in edge_of(size)])

    async def open_entries(self, size: int) -> list[bytes]:
        """Those that are in no full bundle yet. Raises MalformedTile."""
        width = size % WIDTH
        return list(await self.entries(bundle(size // WIDTH, width))) if width else []

    async def put_checkpoint(self, note: str) -> None:
        await self._objects.put(self._key(CHECKPOINT), note.encode())

    async def checkpoint(self) -> str | None:
        try:
            return (await self._objects.get(self._key(CHECKPOINT))).decode(errors="replace")
        except ObjectMissing:
            return None

    async def _of_full(self, partial: Place) -> bytes:
        """What the sealer removes while somebody goes by an earlier checkpoint is the beginning of this. Raises TileMissing."""
        try:
            return await self._get(replace(partial, width=WIDTH))
        except TileMissing:
            raise TileMissing(f"{self._key(partial.path)} is missing") from None

    async def _get(self, place: Place) -> bytes:
        key = self._key(place.path)
        try:
            return await self._objects.get(key)
        except ObjectMissing as problem:
            raise TileMissing(f"{key} is missing") from problem

    def _key(self, path: str) -> str:
        return evidence_key(self._partition, path)


async def _few_at_once(calls: Iterable[Awaitable[None]]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def in_turn(call: Awaitable[None]) -> None:
        async with room:
            await call

    # Each is waited for, so that none is on its way when it is tried again.
    ended = await asyncio.gather(*map(in_turn, calls), return_exceptions=True)
    for problem in ended:
        if problem is not None:
            raise problem
