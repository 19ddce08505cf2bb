"""Logs to relay, relays that run for the length of a block, and what they made of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from domain.events import Event
from domain.log import Address, LogRecord, Provenance, StreamAppend
from domain.ports import EventLog, EventStore
from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.producer import Compression
from infrastructure.memory import InMemoryEventStore
from relay.clear_events import AskKept, kept_none
from relay.lanes import Lane
from relay.limits import Limits
from relay.relay import LaneRelay, Tell
from schemas.checkpoints import RelayCheckpoint, encode_checkpoint
from schemas.topics import Topics, record_of
from tests.builders import ANNA, granted, identity
from tests.infrastructure.kafka.messages import DEADLINE_SECONDS, committed, until

QUICK = Limits(
    poll_seconds=0.05,
    check_seconds=0.1,
    checkpoint_seconds=0.05,
    settle_seconds=0.1,
    backoff_seconds=0.05,
    backoff_seconds_max=0.2,
)
PROVENANCE = Provenance(actor="anna", correlation_id=identity("conversation"))


async def append(store: EventStore, *events: Event, owner_id: UUID = ANNA, version: int = 0) -> Address:
    """To one stream of the owner's; `version` is how many events it has already."""
    stream = StreamAppend(
        stream_id=f"quota-{owner_id}", owner_id=owner_id, expected_version=version, events=events
    )
    return await store.append([stream], PROVENANCE)


def owner_in(partition: int) -> UUID:
    """A new user, whose events lie there."""
    return UUID(int=(uuid4().int >> 32 << 32) + partition)


def grants(count: int, *, first: int = 1) -> list[Event]:
    return [granted(minutes, grant=f"grant {minutes}") for minutes in range(first, first + count)]


async def log_of(count: int) -> InMemoryEventStore:
    """One partition with so many events."""
    store = InMemoryEventStore(1)
    await append(store, *grants(count))
    return store


@asynccontextmanager
async def relaying(
    kafka: Brokers,
    topics: Topics,
    log: EventLog,
    limits: Limits = QUICK,
    *,
    lanes: Sequence[Lane] | None = None,
    compression: Compression = "none",
    kept: AskKept = kept_none,
    tell: Tell = lambda *_: None,
) -> AsyncIterator[Sequence[LaneRelay]]:
    """A relay for each lane, or for each partition; the block sees the death of one as an error."""
    lanes = lanes or [(partition,) for partition in range(log.partition_count)]
    relays = [
        LaneRelay(lane, log, kafka, topics, limits=limits, compression=compression, kept=kept, tell=tell)
        for lane in lanes
    ]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(relay.run()) for relay in relays]
        yield relays
        for task in running:
            task.cancel()


async def relayed(kafka: str, topics: Topics) -> list[LogRecord]:
    """The events topic, partition by partition, as read_committed consumers see it."""
    messages = await committed(kafka, topics.events)
    return [record_of(each.partition, each.key, each.value, each.headers) for each in messages]


async def until_relayed(relays: Sequence[LaneRelay], count: int) -> None:
    async def done() -> bool:
        return sum(relay.events_relayed for relay in relays) >= count

    await until(done)


async def until_checkpointed(kafka: str, topics: Topics, seq: int) -> None:
    async def is_written() -> bool:
        checkpoints = [(each.key, each.value) for each in await committed(kafka, topics.checkpoints)]
        return checkpoints[-1:] == [(b"0", encode_checkpoint(RelayCheckpoint(partition=0, seq=seq)))]

    await until(is_written)


async def relay_all(kafka: str, topics: Topics, log: InMemoryEventStore) -> None:
    """Until Kafka has what the log has."""
    async with asyncio.timeout(DEADLINE_SECONDS), relaying(kafka, topics, log):

        async def done() -> bool:
            return {each.address for each in await relayed(kafka, topics)} >= {each.address for each in log}

        await until(done)
