"""One process works, the others stand by, and whoever loses the lease stops."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Never

import pytest

from dispatcher.leadership import FirstSlot, lead


class HeldLease:
    def __init__(self, held: Iterable[bool]) -> None:
        self._held = iter(held)
        self._last = False
        self.released = False

    async def renew(self) -> Collection[int]:
        self._last = next(self._held, self._last)
        return [0] if self._last else []

    async def release(self) -> None:
        self.released = True


class Work:
    def __init__(self) -> None:
        self.starts = 0
        self.ends = 0
        self.changed = asyncio.Event()

    async def __call__(self) -> Never:
        self.starts += 1
        self.changed.set()
        try:
            await asyncio.Event().wait()
            raise AssertionError
        finally:
            self.ends += 1
            self.changed.set()


async def until(work: Work, starts: int, ends: int) -> None:
    async with asyncio.timeout(10):
        while (work.starts, work.ends) != (starts, ends):
            await work.changed.wait()
            work.changed.clear()


async def test_who_holds_the_lease_works_until_it_is_lost_and_again_when_it_is_back() -> None:
    lease, work = HeldLease([False, True, True, False, True]), Work()
    leading = asyncio.create_task(lead(lease, work, 0.001))
    await until(work, 2, 1)
    leading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leading
    assert (work.starts, work.ends) == (2, 2)
    assert lease.released


async def test_who_does_not_hold_the_lease_stands_by() -> None:
    lease, work = HeldLease([False]), Work()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await lead(lease, work, 0.001)
    assert work.starts == 0
    assert lease.released


async def test_work_that_dies_is_noticed() -> None:
    async def broken() -> Never:
        raise ZeroDivisionError

    lease = HeldLease([True])
    with pytest.raises(ZeroDivisionError):
        await lead(lease, broken, 0.001)
    assert lease.released


class SharedLeases:
    """Renewed by somebody else, one turn after the other."""

    def __init__(self, *turns: Collection[int]) -> None:
        self._turns = iter(turns)
        self._last: Collection[int] = ()

    async def next_renewal(self) -> Collection[int]:
        await asyncio.sleep(0)
        self._last = next(self._turns, self._last)
        return self._last


async def test_who_holds_the_first_of_several_slots_leads() -> None:
    work = Work()
    shared = SharedLeases({4, 5}, {0, 4}, {0}, {1, 2}, {0, 1})
    leading = asyncio.create_task(lead(FirstSlot(shared), work))
    await until(work, 2, 1)
    leading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leading
    assert (work.starts, work.ends) == (2, 2)
