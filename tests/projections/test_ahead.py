"""Reading on while a batch is being committed: nothing is left out, and nothing stale is handed out."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from domain.ports import FeedPosition, FeedRecord
from infrastructure.memory import InMemoryEventStore
from projections.ahead import ReadAhead
from tests.builders import granted, identity
from tests.projections.feeds import LogFeed
from tests.projections.lives import happened

RECORDS_MAX = 4
DEADLINE_SECONDS = 10.0


class CountingFeed(LogFeed):
    """Tells how often it was asked."""

    asked = 0

    async def next_batch(
        self, timeout_seconds: float, records_max: int
    ) -> Mapping[int, Sequence[FeedRecord]]:
        self.asked += 1
        return await super().next_batch(timeout_seconds, records_max)


@pytest.fixture
async def feed() -> CountingFeed:
    """Of one partition with ten events."""
    store = InMemoryEventStore(partition_count=1)
    for minutes in range(1, 11):
        await happened(store, identity("anna"), granted(minutes))
    feed = CountingFeed(store)
    await feed.follow({0: FeedPosition()})
    return feed


async def seqs(ahead: ReadAhead, records_max: int = RECORDS_MAX) -> list[int]:
    batch = await ahead.next_batch(0.0, records_max)
    return [each.record.seq for each in batch.get(0, [])]


async def asked_again(feed: CountingFeed) -> None:
    """Work that ends once the feed was read meanwhile."""
    asked = feed.asked
    async with asyncio.timeout(DEADLINE_SECONDS):
        while feed.asked == asked:  # the feed is read by the task that waits for us
            await asyncio.sleep(0)


async def test_the_next_batch_is_read_while_a_full_one_is_committed(feed: CountingFeed) -> None:
    ahead = ReadAhead(feed)
    assert await seqs(ahead) == [1, 2, 3, 4]
    await ahead.during(asked_again(feed))
    asked = feed.asked
    assert await seqs(ahead) == [5, 6, 7, 8]
    assert feed.asked == asked
    assert await seqs(ahead) == [9, 10]


async def test_who_is_not_behind_does_not_read_ahead(feed: CountingFeed) -> None:
    ahead = ReadAhead(feed)
    await seqs(ahead, records_max=20)
    asked = feed.asked
    await ahead.during(asyncio.sleep(0))
    assert feed.asked == asked


async def test_what_was_read_ahead_is_filled_up_to_a_batch(feed: CountingFeed) -> None:
    ahead = ReadAhead(feed)
    await seqs(ahead)
    await ahead.during(asked_again(feed))
    assert await seqs(ahead, records_max=6) == [5, 6, 7, 8, 9, 10]


async def test_what_was_read_ahead_of_a_rewound_partition_is_thrown_away(feed: CountingFeed) -> None:
    ahead = ReadAhead(feed)
    await seqs(ahead)
    await ahead.during(asked_again(feed))
    ahead.rewind(0, FeedPosition(seq=2))
    assert await seqs(ahead) == [3, 4, 5, 6]


async def test_what_was_read_ahead_of_a_partition_that_was_left_is_thrown_away(feed: CountingFeed) -> None:
    ahead = ReadAhead(feed)
    await seqs(ahead)
    await ahead.during(asked_again(feed))
    await ahead.follow({})
    await ahead.follow({0: FeedPosition(seq=3)})
    assert await seqs(ahead) == [4, 5, 6, 7]


async def test_when_the_commit_fails_what_was_read_ahead_stays(feed: CountingFeed) -> None:
    async def failing() -> None:
        await asked_again(feed)
        raise ZeroDivisionError

    ahead = ReadAhead(feed)
    await seqs(ahead)
    with pytest.raises(ZeroDivisionError):
        await ahead.during(failing())
    assert await seqs(ahead) == [5, 6, 7, 8]


async def test_a_feed_that_fails_meanwhile_lets_the_commit_end_first(feed: CountingFeed) -> None:
    ended = False

    async def slow() -> None:
        nonlocal ended
        for _ in range(10):
            await asyncio.sleep(0)
        ended = True

    ahead = ReadAhead(feed)
    await seqs(ahead)
    feed.broken = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await ahead.during(slow())
    assert ended


async def test_who_is_cancelled_cancels_the_commit(feed: CountingFeed) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    ahead = ReadAhead(feed)
    await seqs(ahead)
    task = asyncio.create_task(ahead.during(endless()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
