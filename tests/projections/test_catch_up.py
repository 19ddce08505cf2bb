"""A read model that is new catches up beside those that are live, which notice nothing of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from domain.events import Event
from domain.ports import FeedRecord
from infrastructure.memory import InMemoryEventStore
from projections import catch_up, checkpoints
from projections.files import FILES, FileRow
from projections.models import READ_MODELS
from projections.projection import Projection
from projections.runner import Pace, Runner
from tests.keys import READING
from tests.projections.conftest import PARTITIONS
from tests.projections.feeds import HeldLeases, LogFeed
from tests.projections.lives import lived
from tests.projections.running import checkpoints_of, contents, new_runner, running, until, until_reached
from tests.projections.telling import told

Pool = asyncpg.Pool
OLD = [projection for projection in READ_MODELS.values() if projection is not FILES]
EARLIER = [f"earlier {number}" for number in range(60)]
PACE = Pace(renew_seconds=0.02, retry_seconds_min=0.05, retry_seconds_max=0.2, catch_up_above=10)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is small enough for a test takes many of them."""
    monkeypatch.setattr(catch_up, "RECORDS_MAX", 8)
    monkeypatch.setattr(catch_up, "JOIN_RECORDS_MAX", 3)
    monkeypatch.setattr(catch_up, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(catch_up, "LOOK_SECONDS", 0.01)


class WatchedFeed(LogFeed):
    """Remembers the first event of each partition that it ever gave."""

    def __init__(self, log: InMemoryEventStore) -> None:
        super().__init__(log)
        self.first_seqs: dict[int, int] = {}

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        batch = await super().next_batch(timeout_seconds, records_max)
        for partition, records in batch.items():
            seq = records[0].record.seq
            self.first_seqs[partition] = min(seq, self.first_seqs.get(partition, seq))
        return batch


def with_new(
    pool: "Pool[Any]", store: InMemoryEventStore, feed: LogFeed, files: Projection[FileRow] = FILES
) -> Runner:
    """The projector of a version that knows one read model more."""
    leases = HeldLeases(range(store.partition_count))
    return Runner(pool, feed, leases, [*OLD, files], READING, pace=PACE, event_log=store)


async def old_version_ran(pool: "Pool[Any]", store: InMemoryEventStore) -> dict[int, int]:
    """Returns the heads of the log up to which all but the new read model are folded."""
    await lived(store, EARLIER)
    heads = {partition: await store.head(partition) for partition in range(store.partition_count)}
    assert min(heads.values()) > 3 * PACE.catch_up_above

    async def have_folded() -> bool:
        async with pool.acquire() as connection:
            there = await checkpoints_of(connection)
        return all(there.get((each.name, p), -1) >= seq for p, seq in heads.items() for each in OLD)

    async with running(new_runner(pool, store, projections=OLD, pace=PACE)):
        await until(have_folded)
    return heads


async def test_the_live_ones_are_not_sent_back_and_all_meet_in_the_end(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    heads = await old_version_ran(pool, store)
    feed = WatchedFeed(store)

    async def go_on_living() -> None:
        for number in range(40):
            await lived(store, [f"later {number}"])
            await asyncio.sleep(0)

    async with running(with_new(pool, store, feed)):
        await go_on_living()
        await until_reached(pool, store)
        await until(lambda: _nobody_catches_up(pool))
        await lived(store, ["last"])
        await until_reached(pool, store)
    assert await contents(pool) == told(store)
    assert all(feed.first_seqs[partition] == seq + 1 for partition, seq in heads.items())


async def test_one_that_cannot_fold_an_event_stops_alone_until_it_can(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    heads = await old_version_ran(pool, store)
    broken = True

    def project(row: FileRow | None, event: Event) -> FileRow | None:
        if broken:
            raise ZeroDivisionError
        return FILES.project(row, event)

    async def it_has_failed_everywhere() -> bool:
        async with pool.acquire() as connection:
            failures = await checkpoints.failures(connection)
        assert {failure.projection for failure in failures} <= {FILES.name}
        return {failure.partition for failure in failures} == set(heads)

    async def the_live_ones_have_reached(wanted: Mapping[int, int]) -> bool:
        async with pool.acquire() as connection:
            return await checkpoints.reached(connection, list(READ_MODELS)) == wanted

    async with running(with_new(pool, store, LogFeed(store), replace(FILES, project=project))):
        await until(it_has_failed_everywhere)
        await lived(store, ["somebody meanwhile"])
        now = {partition: await store.head(partition) for partition in heads}
        # Who waits for his own writes does not wait for the new one, either.
        await until(lambda: the_live_ones_have_reached(now))
        assert await it_has_failed_everywhere()
        broken = False
        await until_reached(pool, store)
        await until(lambda: _nobody_catches_up(pool))
    assert await contents(pool) == told(store)
    async with pool.acquire() as connection:
        assert await checkpoints.failures(connection) == []


async def test_a_projector_that_ends_meanwhile_is_succeeded(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await old_version_ran(pool, store)
    for _ in range(3):
        async with running(with_new(pool, store, LogFeed(store))):
            await until(lambda: _has_begun(pool))
    async with running(with_new(pool, store, LogFeed(store))):
        await until(lambda: _nobody_catches_up(pool))
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def test_two_projectors_may_both_believe_that_it_is_theirs(
    pool: "Pool[Any]", store: InMemoryEventStore
) -> None:
    await old_version_ran(pool, store)
    async with (
        running(with_new(pool, store, LogFeed(store))),
        running(with_new(pool, store, LogFeed(store))),
    ):
        await lived(store, ["somebody meanwhile"])
        await until(lambda: _nobody_catches_up(pool))
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def test_in_a_short_log_the_others_simply_wait(pool: "Pool[Any]", store: InMemoryEventStore) -> None:
    await old_version_ran(pool, store)
    leases = HeldLeases(range(store.partition_count))
    patient = Runner(pool, LogFeed(store), leases, [*OLD, FILES], READING, pace=Pace(), event_log=store)
    async with running(patient):
        await until_reached(pool, store)
    assert await contents(pool) == told(store)


async def _nobody_catches_up(pool: "Pool[Any]") -> bool:
    query = "select count(*) filter (where catching_up) = 0 and count(*) = $1 from projection_checkpoints"
    return bool(await pool.fetchval(query, len(READ_MODELS) * PARTITIONS))


async def _has_begun(pool: "Pool[Any]") -> bool:
    query = "select exists (select from projection_checkpoints where projection = $1 and seq > 0)"
    return bool(await pool.fetchval(query, FILES.name))
