"""The events topic as a feed: in order, each event once, whatever Kafka lost or shows twice."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.log import RecordedEvent
from domain.ports import FeedPosition, FeedRecord
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.dead_letters import DeadLetters
from infrastructure.kafka.reader import PartitionReader
from schemas.topics import Topics, UnreadableMessage, event_of

logger = logging.getLogger(__name__)

_SEQ: Final = "seq"


@dataclass(slots=True)
class _Reading:
    """How far one partition was handed out, and what was tried to find the rest."""

    seq: int
    from_beginning: bool
    """The partition was read from its beginning since the last event: going back again finds nothing."""
    complained: bool = False
    buried_offset: int = -1
    """Dead letters up to here were buried already: going back does not bury them again."""

    def advance(self) -> None:
        self.seq += 1
        self.from_beginning = self.complained = False


class KafkaEventFeed:
    """Implements domain.ports.EventFeed. One task at a time may use it.

    The sequence decides; offsets are hints, and transactions do not matter (see PartitionReader). What was
    handed out is skipped. Where the next event is missing the partition is read from its beginning once, and
    then stands still until the event appears, which the relay sees to when Kafka lost it. A message that is
    no event becomes a dead letter; should it have been one, its partition stands still, and only that one.
    """

    def __init__(self, brokers: Brokers, topics: Topics) -> None:
        self._reader = PartitionReader(brokers, topics.events)
        self._dead_letters = DeadLetters(brokers, topics, self._reader)
        self._readings: dict[int, _Reading] = {}

    async def follow(self, positions: Mapping[int, FeedPosition]) -> None:
        kept = self._readings.keys() & positions.keys()
        offsets = {partition: self._reader.next_offset(partition) for partition in kept}
        for partition in positions.keys() - kept:
            offsets[partition] = positions[partition].next_offset or 0
        fresh = {partition: _reading(position) for partition, position in positions.items()}
        self._readings = fresh | {partition: self._readings[partition] for partition in kept}
        self._reader.assign(offsets)

    def rewind(self, partition: int, position: FeedPosition) -> None:
        self._readings[partition] = _reading(position)
        self._reader.seek(partition, position.next_offset or 0)

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_seconds
        while True:
            fetched = await self._reader.read(max(0.0, deadline - now()), records_max)
            taken = {each: await self._take(each, messages) for each, messages in fetched.items()}
            batch = {partition: records for partition, records in taken.items() if records}
            if batch or now() >= deadline:
                return batch

    async def close(self) -> None:
        await self._reader.close()
        await self._dead_letters.close()

    async def _take(self, partition: int, messages: Sequence[ConsumedMessage]) -> Sequence[FeedRecord]:
        """The events among these messages that come next."""
        reading = self._readings[partition]
        taken: list[FeedRecord] = []
        for message in messages:
            headers = dict(message.headers)
            if _is_seen(headers, reading):
                continue
            try:
                record = _event(message, headers)
            except UnreadableMessage as problem:
                if await self._bury(message, reading, problem):
                    continue
                break
            if record.seq == reading.seq + 1:
                reading.advance()
                taken.append(FeedRecord(record=record, offset=message.offset))
            elif not self._stands_still(reading, record):
                break
        return taken

    def _stands_still(self, reading: _Reading, record: RecordedEvent) -> bool:
        """Whether there is nothing to do about a missing event but to look whether it comes later."""
        if not reading.from_beginning:
            reading.from_beginning = True
            self._reader.seek(record.partition, 0)
            return False
        if not reading.complained:
            reading.complained = True
            logger.error(
                "events %d to %d of partition %d are not in Kafka: waiting for the relay to send them again",
                reading.seq + 1,
                record.seq - 1,
                record.partition,
            )
        return True

    async def _bury(self, message: ConsumedMessage, reading: _Reading, problem: UnreadableMessage) -> bool:
        """False when it could not be buried now, and is to be read again."""
        if message.offset <= reading.buried_offset:
            return True
        if await self._dead_letters.bury(message, problem):
            reading.buried_offset = message.offset
            return True
        return False


def _reading(position: FeedPosition) -> _Reading:
    return _Reading(seq=position.seq, from_beginning=not position.next_offset)


def _is_seen(headers: Mapping[str, bytes | None], reading: _Reading) -> bool:
    """Going back means to pass by everything that was handed out, whatever else is in it."""
    seq = headers.get(_SEQ)
    return seq is not None and seq.isdigit() and int(seq) <= reading.seq


def _event(message: ConsumedMessage, headers: Mapping[str, bytes]) -> RecordedEvent:
    event = event_of(message.value, headers)
    if event.partition != message.partition:
        raise UnreadableMessage(f"an event of partition {event.partition} in partition {message.partition}")
    return event
