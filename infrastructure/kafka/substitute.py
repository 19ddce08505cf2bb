"""What takes the place of Kafka where it does not have, or cannot give, what comes next."""

from collections.abc import Sequence
from typing import Protocol

from domain.log import RecordedEvent
from infrastructure.kafka.failures import PartitionDamaged


class Substitute(Protocol):
    """The log, for readers who can reach it. What these methods raise ends the reading of a batch, and is raised."""

    async def read(self, partition: int, after_seq: int, records_max: int) -> Sequence[RecordedEvent]:
        """The events that follow `after_seq`, in order and without a gap; none at the end."""
        ...

    async def tell(self, damage: PartitionDamaged) -> None:
        """Writes it down for those who can mend it."""
        ...
