"""A feed that reads on while a batch is being committed: PostgreSQL and Python then work at the same time."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

from domain.ports import EventFeed, FeedPosition, FeedRecord

SLICE: Final = 250
"""Records read at once: an answer of PostgreSQL waits no longer than they take, some 2 ms."""


class ReadAhead:
    """Implements domain.ports.EventFeed; reads ahead only while it is behind, that is, after a full batch.

    What was read and is then rewound or no longer followed is thrown away.
    """

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed
        self._read: dict[int, list[FeedRecord]] = {}
        self._ahead_max = 0

    async def follow(self, positions: Mapping[int, FeedPosition]) -> None:
        self._read = {partition: read for partition, read in self._read.items() if partition in positions}
        await self._feed.follow(positions)

    def rewind(self, partition: int, position: FeedPosition) -> None:
        self._read.pop(partition, None)
        self._feed.rewind(partition, position)

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        if not self._read:
            self._keep(await self._feed.next_batch(timeout_seconds, records_max))
        elif self._count() < records_max:
            self._keep(await self._feed.next_batch(0.0, records_max - self._count()))
        self._ahead_max = records_max if self._count() >= records_max else 0
        batch, self._read = self._read, {}
        return batch

    async def during(self, work: Coroutine[Any, Any, None]) -> None:
        """Does the work, which must leave the feed alone, and reads meanwhile; both have ended afterwards."""
        if not self._ahead_max:
            return await work
        working = asyncio.create_task(work)
        try:
            reading = True
            while reading and not working.done():
                reading = await self._read_slice()
        except asyncio.CancelledError:
            working.cancel()
            raise
        finally:
            await working

    async def _read_slice(self) -> bool:
        """Whether there was something to read."""
        room = min(SLICE, self._ahead_max - self._count())
        if room <= 0:
            return False
        await asyncio.sleep(0)  # First the work goes on, if its answer is there.
        read = await self._feed.next_batch(0.0, room)
        self._keep(read)
        return bool(read)

    def _keep(self, read: Mapping[int, Sequence[FeedRecord]]) -> None:
        for partition, records in read.items():
            self._read.setdefault(partition, []).extend(records)

    def _count(self) -> int:
        return sum(map(len, self._read.values()))
