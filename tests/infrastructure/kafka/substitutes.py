"""A log in memory in place of Kafka."""

from collections.abc import Sequence

from domain.log import LogRecord, RecordedEvent
from infrastructure.kafka.failures import PartitionDamaged
from tests.infrastructure.kafka.messages import as_shown


class MemorySubstitute:
    """The log of partition 0."""

    def __init__(self, log: Sequence[LogRecord]) -> None:
        self.log = list(log)
        self.told: list[PartitionDamaged] = []

    async def read(self, partition: int, after_seq: int, records_max: int) -> Sequence[RecordedEvent]:
        assert partition == 0
        return as_shown(*self.log[after_seq : after_seq + records_max])

    async def tell(self, damage: PartitionDamaged) -> None:
        self.told.append(damage)
