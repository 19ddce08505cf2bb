"""What goes wrong with Kafka, seen from outside."""

from typing import Final

from aiokafka.errors import KafkaError


class StuckConsumer(Exception):
    """The broker has messages that aiokafka does not hand out: its background task has died."""


class KafkaUnreachable(Exception):
    """Kafka did not take or give a message before the deadline; it is worth another try later."""


KAFKA_FAILURES: Final = (KafkaError, StuckConsumer, TimeoutError, OSError)
"""What a client raises when a broker is away; start over with a new one."""
