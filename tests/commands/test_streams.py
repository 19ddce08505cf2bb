"""What a process knows of streams: read once, then only what is new, and never believed against the log."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from commands.streams import EVENTS_AT_ONCE, StateCache
from domain.log import Address, Decision, Provenance, StreamAppend, StreamHead, StreamTail
from domain.ports import EventStore
from domain.quota import QUOTA
from infrastructure.memory import InMemoryEventStore
from tests.builders import ANNA, BERT, granted
from tests.commands.stories import happened

STREAM = QUOTA.stream_id(ANNA)


class CountedStore(InMemoryEventStore):
    """Counts the events that are read, and the reads."""

    def __init__(self) -> None:
        super().__init__(partition_count=4)
        self.events_read = 0
        self.reads = 0

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        tails = await super().read_streams(heads, events_max, owner_id)
        self.reads += 1
        self.events_read += sum(len(tail.events) for tail in tails.values())
        return tails


async def minutes(states: StateCache, store: EventStore) -> int:
    known = (await states.read(store, [(QUOTA, ANNA)], ANNA))[STREAM]
    assert known.state == QUOTA.fold(await store.read_stream(STREAM))  # type: ignore[arg-type]  # its own events
    granted_minutes: int = known.state.minutes_granted
    return granted_minutes


async def test_of_a_long_stream_only_what_is_new_is_read() -> None:
    store, states = CountedStore(), StateCache()
    length = 2 * EVENTS_AT_ONCE + 5
    await happened(store, STREAM, *(granted(1, grant=str(number)) for number in range(length)))
    assert await minutes(states, store) == length
    assert (store.events_read, store.reads) == (length, 3)
    await happened(store, STREAM, granted(1, grant="more"))
    assert await minutes(states, store) == length + 1
    assert await minutes(states, store) == length + 1
    assert (store.events_read, store.reads) == (length + 1, 5)


async def test_several_streams_are_one_round_trip() -> None:
    store, states = CountedStore(), StateCache()
    await states.read(store, [(QUOTA, ANNA), (QUOTA, BERT), (QUOTA, ANNA)], None)
    assert store.reads == 1


async def test_what_is_known_is_bounded_and_the_last_used_stays() -> None:
    store, states = CountedStore(), StateCache(states_max=1)
    await happened(store, STREAM, granted(1))
    await happened(store, QUOTA.stream_id(BERT), granted(2), owner_id=BERT)
    await states.read(store, [(QUOTA, ANNA)], ANNA)
    await states.read(store, [(QUOTA, BERT)], BERT)
    assert states.glance(QUOTA, BERT).minutes_granted == 2
    assert states.glance(QUOTA, ANNA) == QUOTA.initial


class FailedOver:
    """A database whose standby takes over without the last commits, and goes on from there."""

    def __init__(self, primary: InMemoryEventStore, standby: InMemoryEventStore) -> None:
        self.serving, self._standby = primary, standby

    def fail_over(self) -> None:
        self.serving = self._standby

    async def read_stream(self, stream_id: str) -> Sequence[object]:
        return await self.serving.read_stream(stream_id)

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        return await self.serving.read_streams(heads, events_max, owner_id)

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        return await self.serving.append(appends, provenance)

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        return await self.serving.append_chain(decisions)


async def test_what_a_failover_took_back_is_not_known_any_more() -> None:
    primary, standby = InMemoryEventStore(4), InMemoryEventStore(4)
    await happened(primary, STREAM, granted(60), granted(40, grant="lost"))
    store, states = FailedOver(primary, standby), StateCache()
    assert await minutes(states, store) == 100  # type: ignore[arg-type]  # its events are events
    store.fail_over()
    assert await minutes(states, store) == 0  # type: ignore[arg-type]  # as above


async def test_what_was_written_over_what_a_failover_took_back_is_believed() -> None:
    """The stream is at the version that was known, but it is not the same stream."""
    primary, standby = InMemoryEventStore(4), InMemoryEventStore(4)
    await happened(primary, STREAM, granted(60), granted(40, grant="lost"))
    store, states = FailedOver(primary, standby), StateCache()
    assert await minutes(states, store) == 100  # type: ignore[arg-type]  # its events are events
    store.fail_over()
    await happened(standby, STREAM, granted(1), granted(2, grant="other"))
    assert await minutes(states, store) == 3  # type: ignore[arg-type]  # as above
