"""What goes wrong with Kafka, seen from outside."""

from typing import Final

from aiokafka.errors import KafkaError


class StuckConsumer(Exception):
    """The broker has messages that aiokafka does not hand out: its background task has died, or they are damaged."""

    def __init__(self, partition: int, offset: int) -> None:
        super().__init__(
            f"there is more in partition {partition} from offset {offset} on, and nothing comes"
        )
        self.partition = partition
        self.offset = offset


class PartitionDamaged(Exception):
    """Kafka has messages there, and cannot give them: its files were cut or changed."""

    def __init__(self, topic: str, partition: int, offset: int, error: str) -> None:
        super().__init__(f"{topic}-{partition} is damaged at offset {offset}: {error}")
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.error = error


class KafkaUnreachable(Exception):
    """Kafka did not take or give a message before the deadline; it is worth another try later."""


KAFKA_FAILURES: Final = (KafkaError, StuckConsumer, TimeoutError, OSError)
"""What a client raises when a broker is away; start over with a new one."""
