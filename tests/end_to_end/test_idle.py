"""A system that nobody uses hardly uses the processor."""

import asyncio
import time

from benchmarks.processor_time import between, processor_seconds
from tests.end_to_end.installation import Installation

WINDOW_SECONDS = 3.0
DEADLINE_SECONDS = 60.0
PERCENT_MAX = 12.0
"""Of one core. `make bench idle` says how much it is; this only sees that nothing runs in circles."""


async def percent_used(running: Installation) -> float:
    before, began = processor_seconds(running), time.perf_counter()
    await asyncio.sleep(WINDOW_SECONDS)
    used = between(before, processor_seconds(running))
    return 100 * sum(used.values()) / (time.perf_counter() - began)


async def test_whoever_has_nothing_to_do_leaves_the_processor_alone(running: Installation) -> None:
    seen: list[float] = []
    deadline = time.perf_counter() + DEADLINE_SECONDS
    while not seen or seen[-1] > PERCENT_MAX:
        assert time.perf_counter() < deadline, f"per cent of a core, one after the other: {seen}"
        seen.append(await percent_used(running))
