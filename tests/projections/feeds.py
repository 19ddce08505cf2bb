"""The events topic without Kafka: a feed that reads the log itself, and leases that hold what they are told."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from domain.ports import EventLog, FeedPosition, FeedRecord

POLL_SECONDS = 0.005


class LogFeed:
    """Delivers each partition of a log from where it is told; the offset of a record is its seq."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._seqs: dict[int, int] = {}
        self.broken: Exception | None = None

    async def follow(self, positions: Mapping[int, FeedPosition]) -> None:
        self._seqs = {
            partition: self._seqs.get(partition, position.seq) for partition, position in positions.items()
        }

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        if self.broken is not None:
            broken, self.broken = self.broken, None
            raise broken
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            batch = await self._read(records_max)
            if batch or asyncio.get_running_loop().time() >= deadline:
                return batch
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self, records_max: int) -> Mapping[int, Sequence[FeedRecord]]:
        batch: dict[int, Sequence[FeedRecord]] = {}
        for partition, seq in self._seqs.items():
            records = await self._log.read(partition, seq, records_max)
            if records:
                batch[partition] = [FeedRecord(record=record, offset=record.seq) for record in records]
                self._seqs[partition] = records[-1].seq
        return batch

    def rewind(self, partition: int, position: FeedPosition) -> None:
        self._seqs[partition] = position.seq


class HeldLeases:
    """Slots that a test gives and takes."""

    def __init__(self, slots: Collection[int]) -> None:
        self.slots = slots
        self.released = False

    async def renew(self) -> Collection[int]:
        return self.slots

    async def release(self) -> None:
        self.released = True
