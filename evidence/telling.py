"""Each checkpoint is a message on a topic of its own: once for who passes over what is not larger than what they have."""

import logging
from base64 import b64encode

from evidence.tables import EvidenceTables, Sealed
from infrastructure.kafka.batches import Message
from infrastructure.kafka.failures import KafkaUnreachable
from infrastructure.kafka.producer import IdempotentProducer
from infrastructure.waiting import Wait
from schemas.checkpoints import EvidenceCheckpoint, encode_evidence_checkpoint
from schemas.topics import Topics

logger = logging.getLogger(__name__)


class Telling:
    """Sealing does not wait for a Kafka that is away: what could not be told is told with the next checkpoint."""

    def __init__(self, tables: EvidenceTables, producer: IdempotentProducer, topics: Topics) -> None:
        self._tables = tables
        self._producer = producer
        self._topics = topics
        self._kafka = Wait("Kafka, to tell of checkpoints")

    async def tell(self, partition: int) -> None:
        for sealed in await self._tables.untold(partition):
            try:
                await self._producer.send(self._message(partition, sealed))
            except KafkaUnreachable as problem:
                self._kafka.goes_on(problem)
                return
            await self._tables.told(partition, sealed.size)
        self._kafka.is_over()

    def _message(self, partition: int, sealed: Sealed) -> Message:
        checkpoint = EvidenceCheckpoint(
            partition=partition,
            size=sealed.size,
            root=b64encode(sealed.root).decode(),
            note=sealed.note,
            sealed_at=sealed.sealed_at,
        )
        value = encode_evidence_checkpoint(checkpoint)
        return Message(self._topics.evidence, partition, b"%d" % partition, value, [])
