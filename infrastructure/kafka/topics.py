"""Creates the five topics."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from schemas.topics import Topics


async def create_topics(
    bootstrap: str, topics: Topics, partition_count: int, retention_ms: int = -1
) -> None:
    """Creates those that are missing; `retention_ms` is how long messages are kept, -1 for ever."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(_new_topics(topics, partition_count, retention_ms))
    finally:
        await admin.close()
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(name)


def _new_topics(topics: Topics, partition_count: int, retention_ms: int) -> list[NewTopic]:
    kept = {"retention.ms": str(retention_ms)}
    names = (topics.events, topics.jobs, topics.reports, topics.dead_letters)
    created = [NewTopic(name, partition_count, 1, topic_configs=kept) for name in names]
    compacted = {"cleanup.policy": "compact"}
    return [*created, NewTopic(topics.checkpoints, partition_count, 1, topic_configs=compacted)]
