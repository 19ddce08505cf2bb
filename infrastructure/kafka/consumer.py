"""aiokafka's consumer as we use it, started and closed in bounded time."""

from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer

from infrastructure.kafka.brokers import Brokers, connection_options
from infrastructure.kafka.clients import end_task, start_client

CONNECT_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0
REQUEST_MS: Final = 10_000
FETCH_WAIT_MS: Final = 250
"""How long the broker holds a request that it has no answer to; a seek takes effect only after it."""
LOOK_SECONDS: Final = 2.0

ConsumedMessage = Any
"""aiokafka's ConsumerRecord: topic, partition, offset, timestamp, key, value, headers."""


def new_consumer(
    brokers: Brokers,
    *,
    fetch_wait_ms: int = FETCH_WAIT_MS,
    isolation: Literal["read_committed", "read_uncommitted"] = "read_uncommitted",
) -> AIOKafkaConsumer:
    """Goes to the beginning where an offset does not exist (any more)."""
    return AIOKafkaConsumer(
        **connection_options(brokers),
        isolation_level=isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=fetch_wait_ms,
        request_timeout_ms=REQUEST_MS,
    )


async def start_consumer(consumer: AIOKafkaConsumer, brokers: Brokers) -> None:
    """Raises KafkaError or TimeoutError, having closed the consumer."""
    try:
        await start_client(consumer.start(), CONNECT_SECONDS, brokers)
    except BaseException:
        await close_consumer(consumer)
        raise
    # It looks so often whether it missed that there is something to do: for a tenth of what an idle reader uses.
    consumer._fetcher._fetcher_timeout = LOOK_SECONDS  # noqa: SLF001


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """In bounded time, whatever state it is in."""
    await end_task(consumer.stop(), CLOSE_SECONDS)
    # stop() does not come to its last step when one before it failed.
    await end_task(consumer._client.close(), CLOSE_SECONDS)  # noqa: SLF001
