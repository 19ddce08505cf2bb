"""A long stream is folded from its snapshot; one that is not of this log or these rules, or is damaged, is as good as none."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from cli.past import DECIDERS
from cli.telling import personal_names
from commands.streams import EVENTS_AT_ONCE, SNAPSHOT_EVERY, StateCache
from domain.events import Event
from domain.log import Address, Decision, Provenance, StreamAppend, StreamHead, StreamTail
from domain.ports import EventStore, EventStoreUnavailable
from domain.quota import QUOTA, Quota
from domain.snapshots import Snapshot
from schemas.snapshots import CATEGORIES, DamagedSnapshot, OtherRules, rules, snapshot_of, state_of
from tests.builders import ANNA, granted, released, reserved
from tests.contracts.log_entries import append, provenance

STREAM = QUOTA.stream_id(ANNA)
LENGTH = 2 * EVENTS_AT_ONCE + SNAPSHOT_EVERY + 10
DEADLINE_SECONDS = 20.0


class Counted:
    """An EventStore that counts the events that are read from another."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.events_read = 0

    async def read_streams(
        self, heads: Mapping[str, StreamHead], events_max: int, owner_id: UUID | None = None
    ) -> Mapping[str, StreamTail]:
        tails = await self._store.read_streams(heads, events_max, owner_id)
        self.events_read += sum(len(tail.events) for tail in tails.values())
        return tails

    async def read_stream(self, stream_id: str) -> Sequence[Event]:
        return await self._store.read_stream(stream_id)

    async def append(self, appends: Sequence[StreamAppend], provenance: Provenance) -> Address:
        return await self._store.append(appends, provenance)

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        return await self._store.append_chain(decisions)

    async def read_snapshots(self, stream_ids: Collection[str]) -> Mapping[str, Snapshot]:
        return await self._store.read_snapshots(stream_ids)

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        await self._store.write_snapshot(snapshot)


async def happened(store: EventStore, count: int, at: int = 0) -> None:
    """A grant, and then minutes that are reserved and released again."""
    events: list[Event] = [granted(60)] if at == 0 else []
    while len(events) < count:
        transcription_id = uuid4()
        events += [
            reserved(1, transcription_id=transcription_id),
            released(1, transcription_id=transcription_id),
        ]
    await store.append([append(ANNA, events=events[:count], at=at)], provenance())


async def load(store: EventStore) -> tuple[Quota, int]:
    """As a process that has just started, and how many events it read for that."""
    counted = Counted(store)
    known = (await StateCache().read(counted, [(QUOTA, ANNA)], ANNA))[STREAM]
    return known.state, counted.events_read


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.01)  # the condition is in the store


async def kept(store: EventStore) -> Snapshot:
    [snapshot] = (await store.read_snapshots([STREAM])).values()
    return snapshot


async def with_snapshot(store: EventStore) -> Snapshot:
    """Of a stream of LENGTH, made by whoever read it."""
    await happened(store, LENGTH)
    _, events_read = await load(store)
    assert events_read == LENGTH

    async def is_kept() -> bool:
        return bool(await store.read_snapshots([STREAM]))

    await until(is_kept)
    return await kept(store)


async def folded(store: EventStore) -> Quota:
    return QUOTA.fold(await store.read_stream(STREAM))  # type: ignore[arg-type]  # its own events


async def test_a_stream_without_a_snapshot_has_none(store: EventStore) -> None:
    assert dict(await store.read_snapshots([STREAM, "quota-nobody"])) == {}


async def test_the_last_snapshot_that_was_written_is_read(store: EventStore) -> None:
    for version in (7, 9, 5):
        head = StreamHead(version, uuid4())
        snapshot = snapshot_of(QUOTA, STREAM, head, Quota(minutes_granted=version))
        await store.write_snapshot(snapshot)
        assert await store.read_snapshots([STREAM, "quota-nobody"]) == {STREAM: snapshot}
        assert state_of(QUOTA, snapshot) == Quota(minutes_granted=version)


async def test_a_long_stream_is_read_on_from_its_snapshot(store: EventStore) -> None:
    snapshot = await with_snapshot(store)
    assert snapshot.head.version == LENGTH
    await happened(store, 4, at=LENGTH)
    state, events_read = await load(store)
    assert state == await folded(store)
    assert events_read < EVENTS_AT_ONCE + 10


async def test_a_short_stream_has_no_snapshot(store: EventStore) -> None:
    await happened(store, SNAPSHOT_EVERY - 1)
    await load(store)
    assert dict(await store.read_snapshots([STREAM])) == {}


async def test_a_process_that_goes_on_keeps_a_new_one_after_as_many_events(store: EventStore) -> None:
    await happened(store, SNAPSHOT_EVERY)
    states = StateCache()
    await states.read(store, [(QUOTA, ANNA)], ANNA)

    async def is_of(version: int) -> bool:
        return [each.head.version for each in (await store.read_snapshots([STREAM])).values()] == [version]

    await until(lambda: is_of(SNAPSHOT_EVERY))
    await happened(store, SNAPSHOT_EVERY - 1, at=SNAPSHOT_EVERY)
    await states.read(store, [(QUOTA, ANNA)], ANNA)
    assert await is_of(SNAPSHOT_EVERY)
    await happened(store, 1, at=2 * SNAPSHOT_EVERY - 1)
    await states.read(store, [(QUOTA, ANNA)], ANNA)
    await until(lambda: is_of(2 * SNAPSHOT_EVERY))
    assert state_of(QUOTA, await kept(store)) == await folded(store)


def changed_state(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, state=snapshot.state.replace(b'"minutes_granted":60', b'"minutes_granted":99'))


def cut_off(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, state=snapshot.state[:-1])


def of_other_rules(snapshot: Snapshot) -> Snapshot:
    return replace(changed_state(snapshot), rules="0" * 64)


def of_another_stream(snapshot: Snapshot) -> Snapshot:
    other = snapshot_of(QUOTA, "quota-other", snapshot.head, Quota(minutes_granted=99))
    return replace(other, stream_id=snapshot.stream_id)


def of_an_event_that_is_gone(snapshot: Snapshot) -> Snapshot:
    head = StreamHead(snapshot.head.version, uuid4())
    return snapshot_of(QUOTA, snapshot.stream_id, head, Quota(minutes_granted=99))


def beyond_the_log(snapshot: Snapshot) -> Snapshot:
    head = StreamHead(LENGTH + 1, snapshot.head.event_id)
    return snapshot_of(QUOTA, snapshot.stream_id, head, Quota(minutes_granted=99))


@pytest.mark.parametrize(
    "spoil",
    [changed_state, cut_off, of_other_rules, of_another_stream, of_an_event_that_is_gone, beyond_the_log],
)
async def test_a_snapshot_that_does_not_fit_is_passed_over_and_replaced(
    store: EventStore, spoil: Callable[[Snapshot], Snapshot]
) -> None:
    good = await with_snapshot(store)
    await store.write_snapshot(spoil(good))
    state, _ = await load(store)
    assert state == await folded(store)

    async def is_good_again() -> bool:
        return await kept(store) == good

    await until(is_good_again)


async def test_a_store_that_takes_no_snapshot_fails_no_command(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(Counted):
        async def write_snapshot(self, snapshot: Snapshot) -> None:
            raise EventStoreUnavailable(f"nothing of {snapshot.head.version} is taken")

    await happened(store, SNAPSHOT_EVERY)
    known = await StateCache().read(Refusing(store), [(QUOTA, ANNA)], ANNA)
    assert known[STREAM].state == await folded(store)

    async def is_told() -> bool:
        return "no snapshot of a stream at version" in caplog.text

    await until(is_told)


def test_what_is_kept_says_nothing_personal() -> None:
    for category in CATEGORIES:
        assert not personal_names(DECIDERS[category].initial.__class__)


@pytest.mark.parametrize(
    "state", [Quota(), Quota(minutes_granted=3, reserved={ANNA: 2}, grants=frozenset({ANNA}))]
)
def test_a_state_comes_back_as_it_was(state: Quota) -> None:
    snapshot = snapshot_of(QUOTA, STREAM, StreamHead(1, uuid4()), state)
    assert state_of(QUOTA, snapshot) == state
    assert snapshot.rules == rules()


def test_each_reason_not_to_use_one_has_its_name() -> None:
    good = snapshot_of(QUOTA, STREAM, StreamHead(1, uuid4()), Quota(minutes_granted=60))
    problems: dict[Any, type[Exception]] = {
        changed_state: DamagedSnapshot,
        cut_off: DamagedSnapshot,
        of_other_rules: OtherRules,
        of_another_stream: DamagedSnapshot,
    }
    for spoil, problem in problems.items():
        with pytest.raises(problem):
            state_of(QUOTA, spoil(good))
