"""What the log holds, in Kafka and in PostgreSQL."""

from domain.log import LogRecord
from infrastructure.kafka.topics import create_topics
from schemas.topics import Topics
from tests.infrastructure.kafka.messages import delete_topics, until
from tests.projections.system import PARTITION_COUNT, System
from tests.relay.logs import relayed


async def logged(system: System) -> list[LogRecord]:
    return [
        record
        for partition in range(PARTITION_COUNT)
        for record in await system.log.read(partition, 0, 10**6)
    ]


async def until_relayed(system: System) -> None:
    """Until Kafka has what the log has."""
    count = len(await logged(system))
    topics = Topics(system.settings.topic_prefix)

    async def is_there() -> bool:
        return len(await relayed(system.settings.kafka_bootstrap, topics)) >= count

    await until(is_there)


async def made_anew(kafka: str, topics: Topics) -> None:
    """The events topic, empty."""
    await delete_topics(kafka, topics.events)
    await create_topics(kafka, topics, 1)
