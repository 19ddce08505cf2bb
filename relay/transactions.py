"""What follows in the partitions of a lane, sent in transactions: one for all, and one each for what failed lately."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from aiokafka.errors import ProducerFenced
from aiokafka.structs import RecordMetadata

from domain.log import LogRecord
from infrastructure.kafka.batches import Message
from infrastructure.kafka.producer import TransactionalProducer
from relay.limits import Limits
from relay.messages import checkpoint_of, messages_of
from relay.place import Place
from schemas.topics import Topics

Following: TypeAlias = Sequence[tuple[Place, Sequence[LogRecord]]]
"""Partitions, each with what comes after its place in the log."""


class Transactions:
    """Those of one lane, whose `places` they move forward; counted since the start, the failed ones in a row."""

    def __init__(
        self, places: Sequence[Place], topics: Topics, partition_count: int, limits: Limits
    ) -> None:
        self._places = places
        self._topics = topics
        self._partition_count = partition_count
        self._limits = limits
        self.count = 0
        self.events = 0

    async def send(self, following: Following, producer: TransactionalProducer) -> None:
        """The records and the checkpoints that are due. Raises what the first transaction that fails does."""
        now = asyncio.get_running_loop().time()
        due = [each for each in following if each[1] or each[0].is_checkpoint_due(each[1], now)]
        for group in _groups(due):
            await self._transact(group, producer, now)

    def messages_of(self, place: Place, records: Sequence[LogRecord], now: float) -> Iterator[Message]:
        yield from messages_of(records, self._topics, place.partition, self._partition_count)
        if place.is_checkpoint_due(records, now):
            yield checkpoint_of(place.partition, place.seq_after(records), self._topics)

    async def _transact(self, group: Following, producer: TransactionalProducer, now: float) -> None:
        try:
            sent = await producer.transact(
                (self.messages_of(place, records, now) for place, records in group),
                lambda sent: self._require_forward(group, sent),
            )
        except ProducerFenced:
            raise
        except Exception:
            self._blame(group, now)
            raise
        for place, records in group:
            place.advance(
                records,
                self._events_in(place, sent),
                now,
                checkpoint_seconds=self._limits.checkpoint_seconds,
            )
            self.events += len(records)
        self.count += 1

    def _blame(self, group: Following, now: float) -> None:
        """Which of several it was shows when each is sent alone."""
        for place, _ in group:
            is_known_culprit = len(group) == 1 and len(self._places) > 1
            place.not_before = now + self._limits.pause_seconds(place.failures) if is_known_culprit else 0.0
            place.failures += 1

    def _require_forward(self, group: Following, sent: Sequence[RecordMetadata]) -> None:
        for place, _ in group:
            place.require_forward(self._events_in(place, sent))

    def _events_in(self, place: Place, sent: Sequence[RecordMetadata]) -> Sequence[RecordMetadata]:
        return [
            each for each in sent if each.topic == self._topics.events and each.partition == place.partition
        ]


def _groups(work: Following) -> Iterator[Following]:
    """One transaction for all; what has failed lately gets one of its own, after the others."""
    if together := [each for each in work if not each[0].failures]:
        yield together
    for each in work:
        if each[0].failures:
            yield [each]
