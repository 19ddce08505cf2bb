"""Partitions are relayed where their leases are held, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Never

import pytest
from aiokafka.errors import ProducerFenced

from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.leases import RENEWALS_PER_LEASE
from infrastructure.settings import Settings
from relay.kafka_state import LogBehindKafka
from relay.lanes import Lane
from relay.owner import RelayOwner
from relay.relay import Tell
from tests.infrastructure.kafka.messages import until

RENEW_SECONDS = 0.02
PROVEN_SECONDS = 0.1
LANES: Sequence[Lane] = [(0,), (1,), (2,), (3, 4)]


class GrantedLeases:
    """Leases that a test hands out."""

    def __init__(self, *slots: int) -> None:
        self.slots: Collection[int] = slots
        self.renewals = 0
        self.is_released = False

    async def renew(self) -> Collection[int]:
        self.renewals += 1
        return self.slots

    async def release(self) -> None:
        self.is_released = True


class Relays:
    """Relays that only say whether they run, each by its first partition; a test decides how one ends."""

    def __init__(self) -> None:
        self.tell: dict[int, Tell] = {}
        self.running: set[int] = set()
        self.starts: list[int] = []
        self.ends: dict[int, asyncio.Future[Never]] = {}

    def end_refused(self, partition: int) -> None:
        """The only one of its lane."""
        why = LogBehindKafka(partition, reached=5, head=4)
        self.tell[partition](partition, why)
        self.ends[partition].set_exception(why)

    async def relay(self, lane: Lane, tell: Tell) -> Never:
        partition, *_ = lane
        self.tell[partition] = tell
        self.running.add(partition)
        self.starts.append(partition)
        self.ends[partition] = asyncio.get_running_loop().create_future()
        try:
            await self.ends[partition]
        finally:
            self.running.remove(partition)

    async def until_running(self, *partitions: int) -> None:
        async def are_running() -> bool:
            return self.running == set(partitions)

        await until(are_running)


class Told:
    """Who watches; while it is `away` nobody can tell it anything."""

    def __init__(self) -> None:
        self.refused: dict[int, str] = {}
        self.tellings = 0
        self.away = False

    async def tell(self, refused: Mapping[int, str], relayed: Collection[int]) -> None:
        self.tellings += 1
        if self.away:
            raise DatabaseUnavailable
        self.refused |= refused
        for partition in relayed:
            self.refused.pop(partition, None)


@asynccontextmanager
async def owning(
    leases: GrantedLeases, relays: Relays, refusals: "Told | None" = None
) -> AsyncIterator[RelayOwner]:
    owner = RelayOwner(
        leases,
        LANES,
        relays.relay,
        refusals or Told(),
        renew_seconds=RENEW_SECONDS,
        proven_seconds=PROVEN_SECONDS,
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(owner.run())
        yield owner
        running.cancel()


async def test_each_held_partition_has_a_relay() -> None:
    leases, relays = GrantedLeases(0, 2), Relays()
    async with owning(leases, relays):
        await relays.until_running(0, 2)
        leases.slots = (0, 1, 2)
        await relays.until_running(0, 1, 2)
    assert relays.starts.count(0) == 1


async def test_a_lost_partition_is_relayed_no_longer() -> None:
    leases, relays = GrantedLeases(0, 1), Relays()
    async with owning(leases, relays):
        await relays.until_running(0, 1)
        leases.slots = (1,)
        await relays.until_running(1)


async def test_a_slow_end_does_not_keep_the_other_leases_from_being_renewed() -> None:
    leases, relays = GrantedLeases(0), Relays()
    may_end = asyncio.Event()

    async def slow(lane: Lane, tell: Tell) -> Never:
        try:
            await relays.relay(lane, tell)
        finally:
            await may_end.wait()

    owner = asyncio.create_task(RelayOwner(leases, LANES, slow, Told(), renew_seconds=RENEW_SECONDS).run())
    await relays.until_running(0)
    leases.slots, renewals = (), leases.renewals

    async def are_renewed() -> bool:
        return leases.renewals > renewals + 3

    await until(are_renewed)
    owner.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await owner


async def test_a_fenced_relay_starts_again_only_if_its_lease_is_still_held() -> None:
    leases, relays = GrantedLeases(0, 1), Relays()
    async with owning(leases, relays):
        await relays.until_running(0, 1)
        relays.ends[0].set_exception(ProducerFenced())

        async def has_restarted() -> bool:
            return relays.starts.count(0) == 2

        await until(has_restarted)
        leases.slots = (1,)
        relays.ends[0].set_exception(ProducerFenced())
        await relays.until_running(1)
    assert relays.starts.count(0) == 2


async def test_a_refused_partition_stands_still_until_its_lease_changes_hands() -> None:
    leases, relays = GrantedLeases(0, 1), Relays()
    async with owning(leases, relays) as owner:
        await relays.until_running(0, 1)
        relays.end_refused(0)
        await relays.until_running(1)
        renewals = leases.renewals

        async def are_renewed() -> bool:
            return leases.renewals > renewals + 3

        await until(are_renewed)
        assert relays.running == {1}
        assert owner.refused[0].startswith("partition 0: Kafka has events up to 5")
        leases.slots = (1,)

        async def is_forgotten() -> bool:
            return not owner.refused

        await until(is_forgotten)
        leases.slots = (0, 1)
        await relays.until_running(0, 1)


async def test_a_lane_is_relayed_when_all_of_it_is_held() -> None:
    leases, relays = GrantedLeases(0, 3), Relays()
    async with owning(leases, relays):
        await relays.until_running(0)
        leases.slots = (0, 3, 4)
        await relays.until_running(0, 3)
        leases.slots = (0, 4)
        await relays.until_running(0)


async def test_the_others_of_its_lane_go_on_where_one_is_refused() -> None:
    leases, relays, told = GrantedLeases(3, 4), Relays(), Told()
    async with owning(leases, relays, told) as owner:
        await relays.until_running(3)
        relays.tell[3](4, LogBehindKafka(4, reached=5, head=4))
        await until_told(told, 4)
        assert relays.running == {3}
        relays.tell[3](3, LogBehindKafka(3, reached=5, head=4))
        relays.ends[3].set_exception(LogBehindKafka(3, reached=5, head=4))
        await until_told(told, 3, 4)
        await relays.until_running()
        assert owner.refused.keys() == {3, 4}
    assert relays.starts == [3]


async def test_a_refused_partition_is_told_of_until_it_is_relayed_again() -> None:
    leases, relays, told = GrantedLeases(0, 1), Relays(), Told()
    async with owning(leases, relays, told):
        await relays.until_running(0, 1)
        relays.end_refused(0)
        await until_told(told, 0)
        leases.slots = ()
        await relays.until_running()
        assert told.refused.keys() == {0}
        leases.slots = (0,)
        await until_told(told)
        assert relays.running == {0}


async def test_a_partition_that_waits_is_told_of_until_it_goes_on() -> None:
    leases, relays, told = GrantedLeases(0, 1), Relays(), Told()
    async with owning(leases, relays, told):
        await relays.until_running(0, 1)
        relays.tell[0](0, RuntimeError("run `stenolog migrate`"))
        await until_told(told, 0)
        assert told.refused == {0: "run `stenolog migrate`"}
        relays.tell[0](0, None)
        await until_told(told)
        assert relays.running == {0, 1}
    assert relays.starts == [0, 1]


async def test_a_partition_that_waits_is_relayed_again_after_its_relay_was_fenced() -> None:
    leases, relays, told = GrantedLeases(0), Relays(), Told()
    async with owning(leases, relays, told):
        await relays.until_running(0)
        relays.tell[0](0, RuntimeError("run `stenolog migrate`"))
        await until_told(told, 0)
        relays.ends[0].set_exception(ProducerFenced())
        await until_told(told)
    assert relays.starts == [0, 0]


async def test_a_refused_partition_is_told_of_when_the_database_is_back() -> None:
    leases, relays, told = GrantedLeases(0), Relays(), Told()
    told.away = True
    async with owning(leases, relays, told):
        await relays.until_running(0)
        relays.end_refused(0)

        async def was_tried() -> bool:
            return told.tellings > 2

        await until(was_tried)
        told.away = False
        await until_told(told, 0)
        tellings, renewals = told.tellings, leases.renewals

        async def are_renewed() -> bool:
            return leases.renewals > renewals + 3

        await until(are_renewed)
        assert told.tellings == tellings


async def until_told(told: Told, *partitions: int) -> None:
    async def are_told() -> bool:
        return told.refused.keys() == set(partitions)

    await until(are_told)


async def test_a_relay_that_ends_for_no_known_reason_ends_the_process() -> None:
    leases, relays = GrantedLeases(0, 1), Relays()
    owner = asyncio.create_task(
        RelayOwner(leases, LANES, relays.relay, Told(), renew_seconds=RENEW_SECONDS).run()
    )
    await relays.until_running(0, 1)
    relays.ends[0].set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await owner
    assert relays.running == set()
    assert leases.is_released


async def test_the_leases_are_given_up_at_the_end_when_nothing_is_relayed_any_more() -> None:
    relays = Relays()

    class WatchedLeases(GrantedLeases):
        async def release(self) -> None:
            assert relays.running == set()
            await super().release()

    leases = WatchedLeases(0)
    async with owning(leases, relays):
        await relays.until_running(0)
    assert leases.is_released


def test_the_partitions_of_a_dead_relay_are_taken_over_within_five_seconds_by_default() -> None:
    """Its lease has just been renewed, and another relay has just looked; that it works, test_processes shows."""
    lease_seconds = Settings().lease_seconds
    assert lease_seconds + lease_seconds / RENEWALS_PER_LEASE < 5
