"""What Kafka holds of one partition of the log, and where the relay goes on from there."""

import asyncio
from types import TracebackType
from typing import Final

import msgspec
from aiokafka.structs import TopicPartition
from msgspec import Struct

from domain.log import LogRecord
from domain.ports import EventLog
from infrastructure.kafka.consumer import ConsumedMessage, close_consumer, new_consumer, start_consumer
from infrastructure.kafka.tail import last_message
from schemas.checkpoints import decode_checkpoint
from schemas.topics import Topics, UnreadableMessage, record_of

LOOK_SECONDS: Final = 30.0
CHECK_SECONDS: Final = 10.0
FETCH_WAIT_MS: Final = 10
"""All that is read here is there already: nothing to wait for."""


class Refused(Exception):
    """Log and Kafka contradict each other; relaying on would make it worse, so somebody has to decide."""


class LogBehindKafka(Refused):
    def __init__(self, partition: int, reached: int, head: int) -> None:
        super().__init__(
            f"partition {partition}: Kafka has events up to {reached} and the log ends at {head}. Was the "
            "database restored from a backup? Restore what is missing, or delete the events and checkpoints "
            "topics and restart the relay, which fills them from the log"
        )


class LogDiverged(Refused):
    def __init__(self, partition: int, seq: int) -> None:
        super().__init__(
            f"partition {partition}: event {seq} in Kafka is not event {seq} of the log. Is this the right "
            "Kafka for this database? If it is, delete the events and checkpoints topics and restart the "
            "relay, which fills them from the log"
        )


class KafkaWentBack(Exception):
    """Kafka no longer has what it had acknowledged."""


class Sent(Struct, frozen=True):
    """An event as it lies in the events topic."""

    record: LogRecord
    offset: int


class Standing(Struct, frozen=True, kw_only=True):
    """`events_aged_out` is true when retention has removed events from the front of the partition."""

    checkpoint: int | None = None
    last: Sent | None = None
    events_aged_out: bool = False

    @property
    def resume_after(self) -> int:
        """The `seq` that is relayed already.

        The last event in Kafka decides, whatever the checkpoint says: both are written in one transaction,
        so where they differ Kafka has lost the end of one of the topics. Only where retention removed all
        events does the checkpoint know more; where there are none for another reason, all are sent again.
        """
        if self.last is not None:
            return self.last.record.seq
        return self.checkpoint or 0 if self.events_aged_out else 0

    @property
    def reached(self) -> int:
        """The highest `seq` that Kafka knows of in any way."""
        return max(self.resume_after, self.checkpoint or 0)

    @property
    def last_offset(self) -> int:
        return self.last.offset if self.last is not None else -1


class KafkaTail:
    """The ends of one partition's events and checkpoints in Kafka."""

    def __init__(self, bootstrap: str, topics: Topics, partition: int) -> None:
        self._bootstrap = bootstrap
        self._events = TopicPartition(topics.events, partition)
        self._checkpoints = TopicPartition(topics.checkpoints, partition)

    async def __aenter__(self) -> "KafkaTail":
        """Raises KafkaError or TimeoutError, as all methods do."""
        self._consumer = new_consumer(self._bootstrap, FETCH_WAIT_MS)
        await start_consumer(self._consumer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close_consumer(self._consumer)

    async def standing(self) -> Standing:
        """Sound only after earlier relays were fenced: then no transaction of theirs can end any more."""
        async with asyncio.timeout(LOOK_SECONDS):
            checkpoint = await last_message(self._consumer, self._checkpoints, _checkpointed_seq)
            last = await last_message(self._consumer, self._events, _sent)
            begin = await self._consumer.beginning_offsets([self._events])
            self._consumer.unsubscribe()
        return Standing(checkpoint=checkpoint, last=last, events_aged_out=begin[self._events] > 0)

    async def require_end_after(self, offset: int) -> None:
        """Raises KafkaWentBack when the events end before what was sent."""
        async with asyncio.timeout(CHECK_SECONDS):
            end = (await self._consumer.end_offsets([self._events]))[self._events]
        if end <= offset:
            raise KafkaWentBack(f"{self._events} ended after {offset} and ends at {end} now")


async def require_same_story(log: EventLog, partition: int, standing: Standing) -> None:
    """Raises LogBehindKafka or LogDiverged."""
    head = await log.head(partition)
    if standing.reached > head:
        raise LogBehindKafka(partition, standing.reached, head)
    if standing.last is not None:
        sent = standing.last.record
        [stored] = await log.read(partition, sent.seq - 1, 1)
        if stored.event_id != sent.event_id:
            raise LogDiverged(partition, sent.seq)


def _checkpointed_seq(message: ConsumedMessage) -> int | None:
    try:
        return decode_checkpoint(message.value or b"").seq
    except msgspec.DecodeError:
        return None


def _sent(message: ConsumedMessage) -> Sent | None:
    try:
        return Sent(record_of(message.key, message.value, message.headers), message.offset)
    except UnreadableMessage:
        return None
