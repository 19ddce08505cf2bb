"""One partition of the log into Kafka: events, jobs and the checkpoint in one transaction, fenced and contiguous."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Never
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.structs import RecordMetadata
from msgspec import Struct

from domain.log import LogRecord
from domain.ports import EventLog
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.producer import Connect, Message, TransactionalProducer
from infrastructure.kafka.tail import Tails
from infrastructure.waiting import Wait
from relay.kafka_state import (
    HangingTransaction,
    KafkaPartition,
    KafkaWentBack,
    LogBehindKafka,
    LogDiverged,
    Refused,
    require_same_story,
)
from relay.messages import messages_of, within_bytes
from schemas.topics import Topics

logger = logging.getLogger(__name__)


class Limits(Struct, frozen=True, kw_only=True):
    records_max: int = 2_000
    bytes_max: int = 4 << 20
    """Of the events' data in one transaction; one event is always let through."""
    poll_seconds: float = 1.0
    """How long an append may go unnoticed when its notification is lost."""
    check_seconds: float = 5.0
    """How often an idle relay looks whether Kafka still has what it had; at the log it looks at each turn."""
    settle_seconds: float = 2.0
    """How long Kafka may take to make up its mind about the transactions of a relay that died."""
    backoff_seconds: float = 0.1
    backoff_seconds_max: float = 5.0


class LogGap(Exception):
    """The log gave records that do not follow each other: a bug, and nothing is sent."""


class PartitionRelay:
    """Relays one partition; another relay of the same partition and prefix fences this one."""

    def __init__(
        self,
        partition: int,
        log: EventLog,
        brokers: Brokers,
        topics: Topics,
        *,
        limits: Limits | None = None,
        connect: Connect = AIOKafkaProducer,
    ) -> None:
        self._partition = partition
        self._log = log
        self._brokers = brokers
        self._topics = topics
        self._limits = limits or Limits()
        self._connect = connect
        self._failures = 0
        self._needs = Wait(f"what the relay of partition {partition} needs")
        self._check_at = 0.0
        self._seq = 0
        self._event_id: UUID | None = None
        """Of the event at `_seq`, when that is known."""
        self._offset = -1
        self.events_relayed = 0
        self.transactions = 0
        self.restarts = 0

    @property
    def position(self) -> int:
        """The seq of the last event that is known to be in Kafka; 0 while none is."""
        return self._seq

    async def run(self) -> Never:
        """Until cancelled. Raises ProducerFenced when another relay took over, and Refused.

        After anything else that fails it starts over with a new producer: only what Kafka holds then tells
        whether an unanswered commit took place.
        """
        try:
            while True:
                try:
                    await self._relay()
                except (ProducerFenced, Refused):
                    raise
                except Exception as problem:  # noqa: BLE001 - the reason is above
                    await self._back_off(problem)
        finally:
            self._log_end()

    async def _relay(self) -> Never:
        transactional_id = f"{self._topics.prefix}-relay-{self._partition}"
        async with (
            TransactionalProducer(self._brokers, transactional_id, connect=self._connect) as producer,
            Tails(self._brokers) as tails,
        ):
            there = KafkaPartition(tails, self._topics, self._partition, self._limits.settle_seconds)
            try:
                await self._resume(there)
            except HangingTransaction as problem:
                await self._end(problem, producer)
                await self._resume(there)
            while True:
                following = await self._following()
                if records := within_bytes(following, self._limits.bytes_max):
                    await self._send(records, producer)
                if len(records) == len(following) < self._limits.records_max:
                    await self._wait(there)
                self._needs.is_over()

    async def _resume(self, there: KafkaPartition) -> None:
        state = await there.state()
        await require_same_story(self._log, self._partition, state)
        if state.reached > state.resume_after:
            logger.warning(
                "Kafka had events of partition %d up to %d and has them up to %d: sending them again",
                self._partition,
                state.reached,
                state.resume_after,
            )
        logger.info("relay of partition %d goes on after event %d", self._partition, state.resume_after)
        self._seq, self._offset = state.resume_after, state.last_offset
        self._event_id = state.last_event_id

    async def _end(self, problem: HangingTransaction, producer: TransactionalProducer) -> None:
        logger.warning("Kafka lost the end of a transaction in %s: ending it", problem)
        # Whoever reads what is not committed has seen the first event, or has to see it next.
        await producer.end_hanging(self._messages_of(await self._log.read(self._partition, 0, 1)))

    async def _following(self) -> Sequence[LogRecord]:
        """What comes after the last event that was relayed, which is read as well: is it still the same?"""
        overlap = min(self._seq, 1)
        after_seq = self._seq - overlap
        records = await self._log.read(self._partition, after_seq, self._limits.records_max + overlap)
        for expected, record in enumerate(records, after_seq + 1):
            if record.seq != expected:
                raise LogGap(f"partition {self._partition} has {record.seq} where {expected} belongs")
        if overlap:
            await self._require_same(records[:1])
        return records[overlap:]

    async def _require_same(self, relayed: Sequence[LogRecord]) -> None:
        """A failover may take back what was committed, and the log then goes on otherwise, under the same numbers."""
        if not relayed:
            head = await self._log.head(self._partition)
            raise LogBehindKafka(self._partition, self._seq, head)
        if self._event_id is None:
            self._event_id = relayed[0].event_id
        if relayed[0].event_id != self._event_id:
            raise LogDiverged(self._partition, self._seq)

    async def _send(self, records: Sequence[LogRecord], producer: TransactionalProducer) -> None:
        sent = await producer.transact(self._messages_of(records), self._require_forward)
        self._seq, self._event_id = records[-1].seq, records[-1].event_id
        self._offset = max(each.offset for each in self._events_among(sent))
        self._failures = 0
        self.transactions += 1
        self.events_relayed += len(records)

    def _messages_of(self, records: Sequence[LogRecord]) -> Iterator[Message]:
        return messages_of(records, self._topics, self._partition, self._log.partition_count)

    def _require_forward(self, sent: Sequence[RecordMetadata]) -> None:
        """Before the commit: when Kafka has lost events meanwhile, these must not come after the gap."""
        first = min(each.offset for each in self._events_among(sent))
        if first <= self._offset:
            raise KafkaWentBack(f"events came to lie at {first}, after others at {self._offset}")

    def _events_among(self, sent: Sequence[RecordMetadata]) -> Sequence[RecordMetadata]:
        return [each for each in sent if each.topic == self._topics.events]

    async def _wait(self, there: KafkaPartition) -> None:
        await self._log.wait_for_append(self._partition, self._limits.poll_seconds)
        now = asyncio.get_running_loop().time()
        if now < self._check_at:
            return
        self._check_at = now + self._limits.check_seconds
        await there.require_end_after(self._offset)

    async def _back_off(self, problem: Exception) -> None:
        pause_seconds = self._limits.backoff_seconds * 2**self._failures
        pause_seconds = min(pause_seconds, self._limits.backoff_seconds_max)
        self.restarts += 1
        self._failures = min(self._failures + 1, 10)
        self._needs.goes_on(repr(problem))
        logger.debug("relay of partition %d starts over in %.1f s", self._partition, pause_seconds)
        await asyncio.sleep(pause_seconds)

    def _log_end(self) -> None:
        logger.info(
            "relay of partition %d ends: %d events in %d transactions, %d restarts",
            self._partition,
            self.events_relayed,
            self.transactions,
            self.restarts,
        )
