"""The jobs topic, as one worker sees it: its assignments, and what has ended without it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from domain.transcription_events import (
    AlignmentStarted,
    TranscriptionAttemptFailed,
    TranscriptionCancelled,
    TranscriptionStarted,
)
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.dead_letters import DeadLetters
from infrastructure.kafka.failures import KafkaUnreachable
from infrastructure.kafka.reader import RETRY_SECONDS, PartitionReader
from infrastructure.kafka.topics import require_partitions
from infrastructure.waiting import Wait
from schemas.events import UnknownEventType, opened, owners_of_sealed
from schemas.partitions import partition_of
from schemas.sealing import BLIND
from schemas.topics import Topics, UnreadableMessage, event_of, named_partition

JOBS_MAX: Final = 100
WAIT_SECONDS: Final = 5.0

JobEvent: TypeAlias = (
    TranscriptionStarted | TranscriptionAttemptFailed | TranscriptionCancelled | AlignmentStarted
)

logger = logging.getLogger(__name__)


class JobConsumer:
    """What is assigned to `worker_id` from the moment the context is entered, each once.

    Enter it before the worker says that it is ready: what comes later is not missed then, and what other
    workers had to do before is not read.
    """

    def __init__(self, brokers: Brokers, topics: Topics, partition_count: int, worker_id: UUID) -> None:
        self._brokers = brokers
        self._topic = topics.jobs
        self._partition_count = partition_count
        self._partition = partition_of(worker_id, partition_count)
        self._key = str(worker_id).encode()
        self._reader = PartitionReader(brokers, topics.jobs)
        self._dead_letters = DeadLetters(brokers, topics, self._reader)
        self._seen: dict[int, int] = {}
        """The last `seq` handed out by log partition: after a loss the relay sends again what Kafka had."""

    async def __aenter__(self) -> "JobConsumer":
        """Waits for Kafka when that is away. Raises WrongPartitionCount: jobs would lie where nobody looks."""
        try:
            self._reader.assign(await self._ends())
        except BaseException:
            await self._reader.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.close()
        await self._dead_letters.close()

    async def _ends(self) -> Mapping[int, int]:
        wait = Wait("Kafka")
        while True:
            try:
                await self._reader.ends([0])  # There is a topic, then, and its first partition.
                await require_partitions(self._brokers, self._topic, self._partition_count)
                ends = await self._reader.ends([self._partition])
            except KafkaUnreachable as problem:
                wait.goes_on(problem)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                wait.is_over()
                return ends

    async def __aiter__(self) -> AsyncIterator[JobEvent]:
        """Without end; waits for Kafka when that is away."""
        while True:
            for event in await self.next_batch(WAIT_SECONDS):
                yield event

    async def next_batch(self, timeout_seconds: float) -> Sequence[JobEvent]:
        """The next events for this worker, in order; none at the timeout."""
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_seconds
        while True:
            fetched = await self._reader.read_past_damage(max(0.0, deadline - now()), JOBS_MAX)
            batch = await self._mine(fetched.get(self._partition, ()))
            if batch or now() >= deadline:
                return batch

    async def _mine(self, messages: Sequence[ConsumedMessage]) -> Sequence[JobEvent]:
        mine: list[JobEvent] = []
        for message in messages:
            if message.key != self._key:
                continue
            try:
                event = self._event(message)
            except (UnreadableMessage, UnknownEventType, msgspec.DecodeError) as problem:
                if await self._dead_letters.bury(message, problem):
                    continue
                break
            if event is not None:
                mine.append(event)
        return mine

    def _event(self, message: ConsumedMessage) -> JobEvent | None:
        """None when this event was handed out before."""
        headers = dict(message.headers)
        if (partition := named_partition(headers)) is None:
            raise UnreadableMessage("a job that does not say which partition of the log it comes from")
        record = event_of(partition, message.value, headers)
        event = opened(record, BLIND)  # A worker has nobody's key.
        if not isinstance(event, JobEvent):
            raise UnreadableMessage(f"{record.type} is nothing a worker does")
        is_told = not isinstance(event, TranscriptionStarted) or event.job.instructions_key
        if not is_told and owners_of_sealed([record]):
            raise UnreadableMessage("what the engine is to be told is sealed, and nowhere else")
        if record.seq <= self._seen.get(record.partition, 0):
            return None
        self._seen[record.partition] = record.seq
        return event
