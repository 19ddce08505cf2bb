"""What a relay cannot read in the events topic never makes it send the log again."""

from collections.abc import Callable

import pytest

from infrastructure.kafka import tail
from infrastructure.memory import InMemoryEventStore
from relay.kafka_state import UnreadableEvents
from relay.relay import LaneRelay
from schemas.topics import Headers, Topics, headers_of
from tests.builders import identity
from tests.infrastructure.kafka.messages import committed, fresh_topics, producing, publish
from tests.relay.logs import (
    QUICK,
    append,
    grants,
    log_of,
    relayed,
    relaying,
    until_checkpointed,
    until_relayed,
)
from tests.relay.test_kafka_state import write_checkpoint
from tests.schemas.earlier_headers import earlier_headers_of


def renamed(headers: Headers) -> Headers:
    return [(f"v2_{name}", content) for name, content in headers]


def without_seq(headers: Headers) -> Headers:
    return [(name, content) for name, content in headers if name != "seq"]


def torn(headers: Headers) -> Headers:
    return [(name, content[: len(content) // 2]) for name, content in headers]


Change = Callable[[Headers], Headers]
KINDS = pytest.mark.parametrize("changed", [renamed, without_seq, torn])


async def publish_as(kafka: str, topics: Topics, count: int, changed: Change, *, first: int = 1) -> None:
    """The first events of a log as another version of the relay would send them."""
    log = await log_of(count)
    async with producing(kafka) as producer:
        for each in list(log)[first - 1 :]:
            key = str(each.owner_id).encode()
            await producer.send_and_wait(
                topics.events, each.data, key, 0, headers=changed(headers_of(each))
            )


async def count_of(kafka: str, topics: Topics) -> int:
    return len(await committed(kafka, topics.events))


async def require_only_new_events(kafka: str, topics: Topics, log: InMemoryEventStore) -> None:
    """A relay that starts here sends the one event that is appended, and no other."""
    log_length = await log.head(0)
    before = await count_of(kafka, topics)
    async with relaying(kafka, topics, log) as [relay]:
        await append(log, *grants(1, first=log_length + 1), version=log_length)
        await until_relayed([relay], 1)
        assert relay.events_relayed == 1
    assert await count_of(kafka, topics) == before + 1


@KINDS
async def test_events_with_other_headers_are_not_sent_again_when_a_checkpoint_tells_how_far_they_go(
    kafka: str, changed: Change
) -> None:
    topics = await fresh_topics(kafka)
    await publish_as(kafka, topics, 5, changed)
    await write_checkpoint(kafka, topics, 5)
    await require_only_new_events(kafka, topics, await log_of(5))


@KINDS
async def test_events_with_other_headers_and_no_checkpoint_are_refused(kafka: str, changed: Change) -> None:
    topics = await fresh_topics(kafka)
    await publish_as(kafka, topics, 5, changed)
    with pytest.raises(UnreadableEvents, match="delete the events and checkpoints topics"):
        await LaneRelay((0,), await log_of(5), kafka, topics, limits=QUICK).run()
    assert await count_of(kafka, topics) == 5


async def test_of_events_that_cannot_be_read_those_since_the_checkpoint_are_sent_again(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    await publish(kafka, topics, list(log)[:3])
    await publish_as(kafka, topics, 5, renamed, first=4)
    await write_checkpoint(kafka, topics, 2)
    async with relaying(kafka, topics, log) as [relay]:
        await until_relayed([relay], 2)
        assert relay.positions == {0: 5}


async def test_an_unreadable_checkpoint_is_no_older_one(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    await publish_as(kafka, topics, 5, renamed)
    await write_checkpoint(kafka, topics, 3)
    async with producing(kafka) as producer:
        await producer.send_and_wait(topics.checkpoints, b'{"version":2,"upto":5}', b"0", 0)
    with pytest.raises(UnreadableEvents):
        await LaneRelay((0,), await log_of(5), kafka, topics, limits=QUICK).run()


async def test_a_foreign_message_at_the_end_changes_nothing(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    async with relaying(kafka, topics, log):
        await until_checkpointed(kafka, topics, 5)
    async with producing(kafka) as producer:
        await producer.send_and_wait(topics.events, b"hello", str(identity("nobody")).encode(), 0)
        await producer.send_and_wait(topics.events, None, b"tombstone", 0)
    await require_only_new_events(kafka, topics, log)


async def test_nobody_looks_through_the_whole_topic_for_an_event_that_can_be_read(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "FIRST_STRIDE", 1)
    monkeypatch.setattr(tail, "UNREADABLE_MAX", 2)
    topics = await fresh_topics(kafka)
    log = await log_of(30)
    await publish(kafka, topics, list(log)[:1])
    await publish_as(kafka, topics, 30, renamed, first=2)
    await write_checkpoint(kafka, topics, 30)
    await require_only_new_events(kafka, topics, log)


async def test_a_topic_that_was_filled_with_the_earlier_headers_is_carried_on(kafka: str) -> None:
    topics = await fresh_topics(kafka)
    log = await log_of(5)
    async with producing(kafka) as producer:
        for each in log:
            headers, key = earlier_headers_of(each), str(each.owner_id).encode()
            await producer.send_and_wait(topics.events, each.data, key, 0, headers=headers)
    await require_only_new_events(kafka, topics, log)
    assert await relayed(kafka, topics) == list(log)
