"""The reports topic: workers send, the dispatcher reads."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from infrastructure.kafka.batches import Message
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.dead_letters import DeadLetters
from infrastructure.kafka.producer import IdempotentProducer
from infrastructure.kafka.reader import PartitionReader
from infrastructure.kafka.topics import partitions_of
from schemas.messages import Report, decode_report, encode_report
from schemas.topics import Topics

REPORTS_MAX: Final = 500


class ReportProducer:
    """Sends what a worker has to say. Any number of tasks may use it."""

    def __init__(self, brokers: Brokers, topics: Topics) -> None:
        self._topic = topics.reports
        self._producer = IdempotentProducer(brokers)

    async def __aenter__(self) -> "ReportProducer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.close()

    async def send(self, report: Report) -> None:
        """Returns when Kafka has it, which may be after broker restarts. Raises KafkaUnreachable.

        A report may arrive twice; its attempt tells the dispatcher that it is an old one.
        """
        key = str(report.worker_id).encode()
        await self._producer.send(Message(self._topic, None, key, encode_report(report), []))


class ReportConsumer:
    """Reads all partitions. `offsets` is where to begin, by partition; where it says nothing, at the beginning.

    Progress is the caller's to keep: after a report at `offset`, the next one to ask for is `offset + 1`.
    """

    def __init__(self, brokers: Brokers, topics: Topics, offsets: Mapping[int, int] | None = None) -> None:
        self._brokers = brokers
        self._topic = topics.reports
        self._offsets = offsets or {}
        self._reader = PartitionReader(brokers, topics.reports)
        self._dead_letters = DeadLetters(brokers, topics, self._reader)
        self._last: dict[int, tuple[int, int]] = {}
        """Offset and broker time (ms) of the last message of each partition."""

    async def __aenter__(self) -> "ReportConsumer":
        """Raises KafkaUnreachable."""
        partitions = await partitions_of(self._brokers, self._topic)
        self._reader.assign({partition: self._offsets.get(partition, 0) for partition in partitions})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.close()
        await self._dead_letters.close()

    async def next_batch(self, timeout_seconds: float) -> Sequence[tuple[int, int, Report]]:
        """The next reports as (partition, offset, report); none at the timeout."""
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_seconds
        while True:
            fetched = await self._reader.read_past_damage(max(0.0, deadline - now()), REPORTS_MAX)
            batch = [each for messages in fetched.values() for each in await self._readable(messages)]
            if batch or now() >= deadline:
                return batch

    async def _readable(self, messages: Sequence[ConsumedMessage]) -> Sequence[tuple[int, int, Report]]:
        readable: list[tuple[int, int, Report]] = []
        for message in filter(self._is_news, messages):
            try:
                report = decode_report(message.value or b"")
            except msgspec.DecodeError as problem:
                if await self._bury(message, problem):
                    continue
                break
            readable.append((message.partition, message.offset, report))
        return readable

    def _is_news(self, message: ConsumedMessage) -> bool:
        """When Kafka lost messages the reader starts over, and would show workers long gone as ready."""
        last_offset, last_time_ms = self._last.get(message.partition, (-1, -1))
        if message.offset <= last_offset and message.timestamp <= last_time_ms:
            return False
        self._last[message.partition] = (message.offset, message.timestamp)
        return True

    async def _bury(self, message: ConsumedMessage, problem: msgspec.DecodeError) -> bool:
        """False when it could not be buried now, and is to be read again."""
        if await self._dead_letters.bury(message, problem):
            return True
        del self._last[message.partition]
        return False
