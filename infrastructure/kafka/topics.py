"""Creates the seven topics, removes those that others took the place of, and refuses what does not fit the log."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    KafkaError,
    NodeNotReadyError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from infrastructure.kafka.brokers import Brokers, connection_options
from infrastructure.kafka.clients import start_client
from infrastructure.kafka.failures import KAFKA_FAILURES, KafkaUnreachable
from infrastructure.kafka.refusals import welcoming_brokers
from infrastructure.mendable import Mendable
from infrastructure.settings import InvalidSetting, Settings
from schemas.topics import Topics

Connect = Callable[..., AIOKafkaAdminClient]

DEADLINE_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.1
GONE_SECONDS_MAX: Final = 10.0
DAY_MS: Final = 24 * 3600 * 1000
MESSAGES_KEPT_MS: Final = 7 * DAY_MS
"""Jobs and reports older than this interest nobody: leases have long run out."""

_COMPACTED: Final = {
    "cleanup.policy": "compact",
    # One live record a partition: small, short segments let the cleaner at the rest soon, so that
    # the topic stays small enough to be read from its end in one step.
    "segment.bytes": str(1 << 20),
    "segment.ms": str(10 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.1",
}
_FACTS: Final = {
    "cleanup.policy": "compact",
    # What a fact was before is gone after a day: also one about a person who was erased.
    "max.compaction.lag.ms": str(DAY_MS),
    # A consumer that was away for less still learns what was deleted.
    "delete.retention.ms": str(MESSAGES_KEPT_MS),
}
_BROKERS_DEFAULT: Final = -1


class NoTopics(Mendable):
    """Kafka does not have the topics we need and cannot be made to."""


class WrongPartitionCount(InvalidSetting):
    """A topic exists with another number of partitions than we were told; its keys would lie elsewhere."""

    def __init__(self, topic: str, found: int, wanted: int) -> None:
        super().__init__(
            f"topic {topic} has {found} partitions and STENOLOG_PARTITIONS is {wanted}: "
            f"set it to {found}, or choose another STENOLOG_TOPIC_PREFIX"
        )


async def create_topics(
    brokers: Brokers,
    topics: Topics,
    partition_count: int,
    retention_ms: int = -1,
    *,
    connect: Connect = AIOKafkaAdminClient,
) -> Sequence[str]:
    """Creates those that are missing, and returns their names when all seven can be used.

    `retention_ms` bounds how long messages are kept, -1 keeps the events for ever.
    Raises WrongPartitionCount, a KafkaError, or TimeoutError after half a minute.
    """
    async with asyncio.timeout(DEADLINE_SECONDS), _administering(brokers, connect) as admin:
        created = await _create(admin, _wanted(topics, partition_count, retention_ms))
        await _wait_until_usable(admin, list(_names(topics)), partition_count)
    return created


async def remove_outdated_topics(
    brokers: Brokers, topics: Topics, *, connect: Connect = AIOKafkaAdminClient
) -> Sequence[str]:
    """Removes those of our prefix that hold in the clear what is sealed today; returns their names.

    Raises a KafkaError, or TimeoutError after half a minute.
    """
    async with asyncio.timeout(DEADLINE_SECONDS), _administering(brokers, connect) as admin:
        outdated = await _there(admin, topics.outdated)
        if not outdated:
            return []
        answer = await admin.delete_topics(outdated)
        removed = [name for name, code in answer.topic_error_codes if _is_removed(name, code)]
        await _wait_until_gone(admin, removed)
    return removed


async def _wait_until_gone(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """The broker answers before it has forgotten them. Not for long: a process of before makes them anew while it runs."""
    deadline = asyncio.get_running_loop().time() + GONE_SECONDS_MAX
    while True:
        if not await _there(admin, names) or asyncio.get_running_loop().time() >= deadline:
            return
        await asyncio.sleep(RETRY_SECONDS)


async def _there(admin: AIOKafkaAdminClient, names: Sequence[str]) -> list[str]:
    found = set(await admin.list_topics())
    return [name for name in names if name in found]


def _is_removed(name: str, code: int) -> bool:
    """By us, and not by somebody else meanwhile. Raises a KafkaError."""
    error = for_code(code)
    if error not in (NoError, UnknownTopicOrPartitionError):
        raise error(f"{name} names people in the clear, and cannot be deleted")
    return error is NoError


async def partitions_of(brokers: Brokers, topic: str) -> frozenset[int]:
    """The partitions of a topic, once it exists. Raises KafkaUnreachable after half a minute."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                if found := await _look_up(brokers, topic):
                    return found
                await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError:
        raise KafkaUnreachable(f"there is no topic {topic} at {brokers}") from None


async def require_partitions(brokers: Brokers, topic: str, wanted: int) -> None:
    """Raises WrongPartitionCount, or KafkaUnreachable when there is no such topic after half a minute."""
    if (found := len(await partitions_of(brokers, topic))) != wanted:
        raise WrongPartitionCount(topic, found, wanted)


async def _look_up(brokers: Brokers, topic: str) -> frozenset[int]:
    try:
        async with _administering(brokers, AIOKafkaAdminClient) as admin:
            [described] = await admin.describe_topics([topic])
    except KAFKA_FAILURES:
        return frozenset()
    return frozenset(each["partition"] for each in described["partitions"])


@asynccontextmanager
async def _administering(brokers: Brokers, connect: Connect) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = connect(**connection_options(brokers))
    try:
        await start_client(admin.start(), DEADLINE_SECONDS, brokers)
        yield admin
    except (AttributeError, AssertionError) as problem:
        # How aiokafka says that it knows of no broker or controller, as when the brokers have just started.
        raise NodeNotReadyError(f"{brokers} has no controller yet: {problem!r}") from problem
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, wanted: Sequence[NewTopic]) -> Sequence[str]:
    answer = await admin.create_topics(wanted)
    errors = {name: for_code(code) for name, code, *_ in answer.topic_errors}
    for name, error in errors.items():
        if error not in (NoError, TopicAlreadyExistsError):
            raise error(name)
    return [name for name, error in errors.items() if error is NoError]


async def _wait_until_usable(
    admin: AIOKafkaAdminClient, names: Sequence[str], partition_count: int
) -> None:
    """The broker answers before every partition has a leader."""
    while True:
        described = await admin.describe_topics(list(names))
        if all(_is_usable(topic) for topic in described):
            break
        await asyncio.sleep(RETRY_SECONDS)
    for topic in described:
        if (found := len(topic["partitions"])) != partition_count:
            raise WrongPartitionCount(topic["topic"], found, partition_count)


def _is_usable(topic: Mapping[str, Sequence[Mapping[str, int]]]) -> bool:
    partitions = topic["partitions"]
    return bool(partitions) and all(each["leader"] >= 0 for each in partitions)


def _names(topics: Topics) -> tuple[str, ...]:
    return (
        topics.events,
        topics.jobs,
        topics.reports,
        topics.checkpoints,
        topics.evidence,
        topics.facts,
        topics.dead_letters,
    )


def _wanted(topics: Topics, partition_count: int, retention_ms: int) -> list[NewTopic]:
    kept = {"retention.ms": str(retention_ms)}
    messages = {"retention.ms": str(retention_ms if retention_ms > 0 else MESSAGES_KEPT_MS)}
    # The broker's clock: readers tell by it what is news when Kafka has gone back in time.
    reports = messages | {"message.timestamp.type": "LogAppendTime"}
    settings = {
        topics.events: kept,
        topics.jobs: messages,
        topics.reports: reports,
        topics.checkpoints: _COMPACTED,
        topics.evidence: kept,
        topics.facts: _FACTS,
        topics.dead_letters: kept,
    }
    return [_new_topic(name, partition_count, each) for name, each in settings.items()]


def _new_topic(name: str, partition_count: int, settings: Mapping[str, str]) -> NewTopic:
    # The empty assignment lets aiokafka pass on that the brokers choose how many replicas there are.
    return NewTopic(name, partition_count, _BROKERS_DEFAULT, {}, dict(settings))


async def provide_topics(settings: Settings, retention_ms: int = -1) -> Sequence[str]:
    """Brings the topics to this version, and tells what that was; `retention_ms` bounds how long messages are kept, -1 does not.

    Raises NoTopics, InvalidSetting, and RefusedConnection when Kafka turns us away.
    """
    topics, brokers = Topics(settings.topic_prefix), await welcoming_brokers(settings)
    try:
        created = await create_topics(brokers, topics, settings.partitions, retention_ms)
        removed = await remove_outdated_topics(brokers, topics)
    except (WrongPartitionCount, KafkaError, OSError) as problem:
        raise NoTopics(
            f"cannot bring the topics to this version: {str(problem) or type(problem).__name__}"
        ) from problem
    return [*created, *(f"{name} removed" for name in removed)]
