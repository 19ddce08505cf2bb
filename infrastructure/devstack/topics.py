"""The topics of a deployment, or one line that says why there are none."""

from aiokafka.errors import KafkaError

from infrastructure.devstack.problem import Problem
from infrastructure.kafka.topics import WrongPartitionCount, create_topics
from infrastructure.settings import Settings
from schemas.topics import Topics


class NoTopics(Problem):
    """Kafka does not have the topics we need and cannot be made to."""


async def provide_topics(settings: Settings, retention_ms: int = -1) -> None:
    """Creates what is missing; `retention_ms` bounds how long messages are kept, -1 does not. Raises NoTopics."""
    topics = Topics(settings.topic_prefix)
    try:
        await create_topics(settings.kafka_bootstrap, topics, settings.partitions, retention_ms)
    except (WrongPartitionCount, KafkaError, OSError) as problem:
        raise NoTopics(f"cannot create the topics: {str(problem) or type(problem).__name__}") from problem
