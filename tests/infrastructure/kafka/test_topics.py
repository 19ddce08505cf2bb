"""Topics are created once, with what the design asks of each, and refused where they do not fit the log."""

from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from infrastructure.kafka.topics import WrongPartitionCount, create_topics, remove_outdated_topics
from schemas.topics import Topics
from tests.asyncapi import DOCUMENT, topic_of
from tests.infrastructure.kafka.messages import administering, fresh_topics, until


async def settings_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    [(_, _, _, _, entries)] = answer.resources
    return {name: value for name, value, *_ in entries}


async def test_all_seven_topics_have_as_many_partitions_as_the_log(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=3)
    async with administering(kafka) as admin:
        described = await admin.describe_topics(
            [
                topics.events,
                topics.jobs,
                topics.reports,
                topics.checkpoints,
                topics.evidence,
                topics.facts,
                topics.dead_letters,
            ]
        )
    assert [len(each["partitions"]) for each in described] == [3] * 7


async def test_events_are_kept_for_ever_and_checkpoints_compacted(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with administering(kafka) as admin:
        events = await settings_of(admin, topics.events)
        checkpoints = await settings_of(admin, topics.checkpoints)
    assert (events["cleanup.policy"], events["retention.ms"]) == ("delete", "-1")
    assert checkpoints["cleanup.policy"] == "compact"


async def test_every_topic_is_configured_as_the_asyncapi_document_says(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    async with administering(kafka) as admin:
        for channel, promised in DOCUMENT["channels"].items():
            found = await settings_of(admin, topic_of(channel, topics.prefix))
            for name, value in promised["bindings"]["kafka"]["topicConfiguration"].items():
                assert found[name] == (",".join(value) if isinstance(value, list) else str(value)), channel


async def test_topics_that_exist_are_left_alone(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=2)
    await create_topics(kafka, topics, 2)


async def test_topics_of_before_are_removed_and_those_of_other_deployments_stay(kafka: str) -> None:
    ours, theirs = Topics(f"test-{uuid4().hex[:12]}"), Topics(f"test-{uuid4().hex[:12]}")
    there = (*ours.outdated[:2], ours.events, *theirs.outdated)
    async with administering(kafka) as admin:
        await admin.create_topics([NewTopic(name, 1, 1) for name in there])

        async def are_there() -> bool:
            return {*there} <= {*await admin.list_topics()}

        await until(are_there)
        assert {*await remove_outdated_topics(kafka, ours)} == {*ours.outdated[:2]}
        left = {*await admin.list_topics()}
    assert not left & {*ours.outdated}
    assert left >= {ours.events, *theirs.outdated}
    assert await remove_outdated_topics(kafka, ours) == []


class WithoutController(AIOKafkaAdminClient):  # type: ignore[misc]  # aiokafka has no types
    """What it knows of the cluster names no controller, as for a moment after the brokers have started."""

    async def start(self) -> None:
        await super().start()
        self._client.cluster.controller = None
        self._client.force_metadata_update = self._learn_nothing

    async def _learn_nothing(self) -> None:
        pass


async def test_a_cluster_without_a_controller_is_an_outage_and_no_bug(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    with pytest.raises(KafkaError, match="no controller"):
        await create_topics(kafka, topics, 1, connect=WithoutController)


async def test_topics_with_another_partition_count_are_refused(kafka: str) -> None:
    topics = await fresh_topics(kafka, partition_count=2)
    with pytest.raises(WrongPartitionCount, match=r"has 2 partitions and STENOLOG_PARTITIONS is 3"):
        await create_topics(kafka, topics, 3)
