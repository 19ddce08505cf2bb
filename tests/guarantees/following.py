"""Readers that tail a log while writers roll back and hold transactions open, and what they missed of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

WRITERS: Final = 16
HOLDER: Final = 0
"""The owner, and the partition, of the events in the transaction that is held open."""
ROUNDS_MIN: Final = 20
PACE_SECONDS: Final = 0.05
PAGE: Final = 50
POLL_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 60.0


class Sighting(NamedTuple):
    """An event as a reader meets it; `position` is its number in the partition."""

    position: int
    stream: str
    version: int


class TailedLog(Protocol):
    """Any log with numbered partitions. Each owner is a number and has one stream."""

    @property
    def partition_count(self) -> int: ...

    async def append(self, owner: int, at: int, count: int) -> None:
        """To the owner's stream, which is at version `at`."""
        ...

    def appending(self, owner: int, at: int, count: int) -> AbstractAsyncContextManager[None]:
        """In a transaction that is open until the block ends; an error in the block rolls it back."""
        ...

    async def read(self, partition: int, after: int, limit: int) -> Sequence[Sighting]: ...


class Hold(Struct, frozen=True):
    """How long the first transaction stays open: until a reader of its partition saw an event, but within these bounds."""

    seconds_min: float = 0.0
    seconds_max: float = PATIENCE_SECONDS


class Findings(Struct, frozen=True):
    """`inverted` counts events that came after a later one of their partition or of their stream."""

    skipped: int = 0
    repeated: int = 0
    inverted: int = 0


class ChangedMyMind(Exception):
    """Rolls a transaction back."""


async def tail_under_fire(log: TailedLog, hold: Hold) -> tuple[Findings, int]:
    """What the readers missed, and how many events there are in the end."""
    written, over, seen = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(hold.seconds_max + PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        partitions = range(log.partition_count)
        readers = [group.create_task(_follow(log, each, seen, written)) for each in partitions]
        async with log.appending(HOLDER, 0, 3):
            writers = [group.create_task(_write(log, owner, over)) for owner in range(1, WRITERS + 1)]
            await _hold(hold, seen)
        over.set()
        await asyncio.gather(*writers)
        written.set()
    stored = [await _all(log, each) for each in partitions]
    return found_in([reader.result() for reader in readers], stored), sum(map(len, stored))


def found_in(seen: Sequence[Sequence[Sighting]], stored: Sequence[Sequence[Sighting]]) -> Findings:
    """Both by partition; `seen` in the order in which it was met."""
    return Findings(
        skipped=sum(len(set(there) - set(met)) for met, there in zip(seen, stored, strict=True)),
        repeated=sum(count - 1 for met in seen for count in Counter(met).values()),
        inverted=sum(map(_inversions, seen)),
    )


def _inversions(met: Sequence[Sighting]) -> int:
    latest_position, latest_version = 0, Counter[str]()
    inversions = 0
    for position, stream, version in met:
        inversions += position < latest_position or version < latest_version[stream]
        latest_position = max(latest_position, position)
        latest_version[stream] = max(latest_version[stream], version)
    return inversions


async def _hold(hold: Hold, seen: asyncio.Event) -> None:
    began = asyncio.get_running_loop().time()
    with suppress(TimeoutError):
        async with asyncio.timeout(hold.seconds_max):
            await seen.wait()
    # The open transaction is the fault, and this is how long it lasts.
    await asyncio.sleep(began + hold.seconds_min - asyncio.get_running_loop().time())


async def _write(log: TailedLog, owner: int, over: asyncio.Event) -> None:
    """Appends alone or in a transaction that it may roll back, until the held one is over and a while longer."""
    chance = random.Random(owner)
    version, rounds = 0, 0
    while not over.is_set() or rounds < ROUNDS_MIN:
        rounds += 1
        count, how = chance.randint(1, 3), chance.choice(["alone", "within", "rollback"])
        with suppress(ChangedMyMind):
            await _write_once(log, owner, version, count, how)
            version += count
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE_SECONDS):
                await over.wait()


async def _write_once(log: TailedLog, owner: int, version: int, count: int, how: str) -> None:
    if how == "alone":
        await log.append(owner, version, count)
        return
    async with log.appending(owner, version, count):
        if how == "rollback":
            raise ChangedMyMind


async def _follow(
    log: TailedLog, partition: int, seen: asyncio.Event, written: asyncio.Event
) -> Sequence[Sighting]:
    met: list[Sighting] = []
    while True:
        is_over = written.is_set()
        page = await log.read(partition, met[-1].position if met else 0, PAGE)
        met += page
        if page and partition == HOLDER:
            seen.set()
        if not page:
            if is_over:
                return met
            await asyncio.sleep(POLL_SECONDS)


async def _all(log: TailedLog, partition: int) -> Sequence[Sighting]:
    there: list[Sighting] = []
    while page := await log.read(partition, there[-1].position if there else 0, PAGE):
        there += page
    return there
