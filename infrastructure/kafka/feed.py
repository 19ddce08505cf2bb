"""The events topic as a feed: in order, each event once, whatever Kafka lost, shows twice or cannot give."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

from domain.log import RecordedEvent
from domain.ports import FeedPosition, FeedRecord
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.dead_letters import DeadLetters
from infrastructure.kafka.failures import KafkaUnreachable, PartitionDamaged
from infrastructure.kafka.reader import RETRY_SECONDS, PartitionReader
from infrastructure.kafka.reading import Reading
from infrastructure.kafka.substitute import Substitute
from infrastructure.waiting import Wait
from schemas.topics import Topics, UnreadableMessage, event_of, named_partition

logger = logging.getLogger(__name__)

ASK_SECONDS: Final = 5.0

_SEQ: Final = "seq"


class KafkaEventFeed:
    """Implements domain.ports.EventFeed. One task at a time may use it.

    The sequence decides; offsets are hints, and transactions do not matter (see PartitionReader). What was
    handed out is skipped. Where the next event is missing the partition is read from its beginning once. A message
    that is no event becomes a dead letter.

    Where Kafka then still does not have the next event, or has it and cannot give it, the `substitute` gives what
    follows, until Kafka goes on with what comes next. Without one the partition, and only that one, stands still
    until the event appears, which the relay sees to when Kafka lost it.
    """

    def __init__(self, brokers: Brokers, topics: Topics, substitute: Substitute | None = None) -> None:
        self._reader = PartitionReader(brokers, topics.events)
        self._dead_letters = DeadLetters(brokers, topics, self._reader)
        self._substitute = substitute
        self._readings: dict[int, Reading] = {}
        self._end = Wait(f"the end of {topics.events}")
        self._damage = Wait(f"all of {topics.events}")

    async def follow(self, positions: Mapping[int, FeedPosition]) -> None:
        kept = self._readings.keys() & positions.keys()
        self._note_offsets()
        fresh = {partition: Reading.at(position) for partition, position in positions.items()}
        self._readings = fresh | {partition: self._readings[partition] for partition in kept}
        self._assign()

    def rewind(self, partition: int, position: FeedPosition) -> None:
        reading = self._readings[partition]
        if reading.in_kafka:
            self._readings[partition] = Reading.at(position)
            self._reader.seek(partition, position.next_offset or 0)
        else:
            reading.seq = position.seq

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        deadline = time.monotonic() + timeout_seconds
        while True:
            batch = await self._substituted(max(1, records_max // 2))
            room = max(1, records_max - sum(map(len, batch.values())))
            # Where one partition catches up the others are not kept waiting.
            patience_seconds = 0.0 if batch else max(0.0, deadline - time.monotonic())
            for partition, records in (await self._read(patience_seconds, room)).items():
                batch[partition] = [*batch.get(partition, ()), *records]
            if batch or time.monotonic() >= deadline:
                return batch

    async def close(self) -> None:
        await self._reader.close()
        await self._dead_letters.close()

    async def _read(self, timeout_seconds: float, records_max: int) -> Mapping[int, Sequence[FeedRecord]]:
        looks = [each.look_at for each in self._readings.values() if each.substituted]
        patience_seconds = max(0.0, min([timeout_seconds, *(at - time.monotonic() for at in looks)]))
        try:
            fetched = await self._reader.read(patience_seconds, records_max)
        except PartitionDamaged as damage:
            await self._do_without(damage)
            return {}
        taken = {each: await self._take(each, messages) for each, messages in fetched.items()}
        return {partition: records for partition, records in taken.items() if records}

    async def _do_without(self, damage: PartitionDamaged) -> None:
        if self._substitute is None:
            self._damage.goes_on(damage)
            await asyncio.sleep(RETRY_SECONDS)
            return
        logger.warning("%s: what follows is taken from the log", damage)
        await self._substitute.tell(damage)
        self._note_offsets()
        self._readings[damage.partition].leave_kafka(damage.offset)
        self._assign()

    async def _substituted(self, records_max: int) -> dict[int, Sequence[FeedRecord]]:
        """What follows where Kafka does not have it or give it."""
        batch: dict[int, Sequence[FeedRecord]] = {}
        for partition, reading in self._readings.items():
            room = records_max - sum(map(len, batch.values()))
            if not reading.is_due or room <= 0:
                continue
            assert self._substitute is not None
            if records := await self._substitute.read(partition, reading.seq, room):
                batch[partition] = reading.substitute(records)
            else:
                reading.wait()
        for partition in [each for each, reading in self._readings.items() if reading.may_return]:
            await self._return_to_kafka(partition)
        return batch

    async def _return_to_kafka(self, partition: int) -> None:
        """To the end, whatever lies before it: the log gives that, until Kafka shows the first event after it."""
        reading = self._readings[partition]
        reading.stay_away()  # Should it not be there.
        try:
            async with asyncio.timeout(ASK_SECONDS):
                end = (await self._reader.ends([partition]))[partition]
        except (KafkaUnreachable, TimeoutError) as problem:
            self._end.goes_on(repr(problem))
            return
        self._end.is_over()
        self._note_offsets()
        reading.next_offset, reading.in_kafka = end, True
        self._assign()

    def _assign(self) -> None:
        self._reader.assign(
            {partition: each.next_offset for partition, each in self._readings.items() if each.in_kafka}
        )

    def _note_offsets(self) -> None:
        for partition, reading in self._readings.items():
            if reading.in_kafka:
                reading.next_offset = self._reader.next_offset(partition)

    async def _take(self, partition: int, messages: Sequence[ConsumedMessage]) -> Sequence[FeedRecord]:
        """The events among these messages that come next."""
        reading = self._readings[partition]
        taken: list[FeedRecord] = []
        for message in messages:
            headers = dict(message.headers)
            try:
                record = _event(message, headers)
            except UnreadableMessage as problem:
                if _is_seen(headers, reading):
                    reading.substituted = False
                elif not await self._bury(message, reading, problem):
                    break
                continue
            if record.seq == reading.seq + 1:
                reading.advance()
                taken.append(FeedRecord(record=record, offset=message.offset))
            elif record.seq <= reading.seq:
                reading.substituted = False
            elif not self._stands_still(reading, record, message.offset):
                break
        return taken

    def _stands_still(self, reading: Reading, record: RecordedEvent, offset: int) -> bool:
        """Whether there is nothing to do about a missing event but to look whether it comes later."""
        if not reading.from_beginning and not reading.substituted:
            reading.from_beginning = True
            self._reader.seek(record.partition, 0)
            return False
        if self._substitute is not None:
            reading.substituted = True
            reading.look_at = 0.0
            self._reader.seek(record.partition, offset)
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

    async def _bury(self, message: ConsumedMessage, reading: Reading, problem: UnreadableMessage) -> bool:
        """False when it could not be buried now, and is to be read again."""
        if message.offset <= reading.buried_offset:
            return True
        if await self._dead_letters.bury(message, problem):
            reading.buried_offset = message.offset
            return True
        return False


def _is_seen(headers: Mapping[str, bytes | None], reading: Reading) -> bool:
    """Going back means to pass by everything that was handed out, whatever else is in it."""
    seq = headers.get(_SEQ)
    return seq is not None and seq.isdigit() and int(seq) <= reading.seq


def _event(message: ConsumedMessage, headers: Mapping[str, bytes]) -> RecordedEvent:
    named = named_partition(headers)
    if named is not None and named != message.partition:
        raise UnreadableMessage(f"an event of partition {named} in partition {message.partition}")
    return event_of(message.partition, message.value, headers)
