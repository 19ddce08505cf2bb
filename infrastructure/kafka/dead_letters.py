"""The place for messages that nobody can read: kept whole, with where they came from and why."""

import logging

from infrastructure.kafka.batches import Message
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.consumer import ConsumedMessage
from infrastructure.kafka.failures import KafkaUnreachable
from infrastructure.kafka.producer import IdempotentProducer
from infrastructure.kafka.reader import PartitionReader
from schemas.topics import Topics

logger = logging.getLogger(__name__)


class DeadLetters:
    """Buries what `reader` read; connects to Kafka only when there is something to bury."""

    def __init__(self, brokers: Brokers, topics: Topics, reader: PartitionReader) -> None:
        self._topic = topics.dead_letters
        self._reader = reader
        self._producer = IdempotentProducer(brokers)

    async def bury(self, message: ConsumedMessage, reason: Exception) -> bool:
        """False when that is impossible now: the reader will read the message, and what follows it, again."""
        place = f"{message.topic}:{message.partition}:{message.offset}"
        try:
            await self._producer.send(self._letter(message, place, reason))
        except KafkaUnreachable:
            self._reader.seek(message.partition, message.offset)
            return False
        logger.error("message %s cannot be read and is now a dead letter", place)
        return True

    async def close(self) -> None:
        await self._producer.close()

    def _letter(self, message: ConsumedMessage, place: str, reason: Exception) -> Message:
        headers = [
            *message.headers,
            ("dead_letter_from", place.encode()),
            ("dead_letter_reason", f"{type(reason).__name__}: {reason}".encode()),
        ]
        # Kafka takes no message that has neither key nor value.
        value = b"" if message.key is None and message.value is None else message.value
        return Message(self._topic, None, message.key, value, headers)
