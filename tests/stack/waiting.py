"""Waiting for a condition, never for time to pass."""

import asyncio
import time
from collections.abc import Callable

POLL_SECONDS = 0.02
END_SECONDS = 30.0
"""For a process that was told to end, on a busy machine: what it must not wait for lasts longer, or for ever."""
START_SECONDS = 75.0
"""For a process to be ready that takes a second on a quiet machine: beside two suites it shares two cores with thirty."""


async def eventually(satisfied: Callable[[], bool], what: str, deadline_seconds: float = 20.0) -> None:
    """Returns when the condition holds; fails, saying what was awaited, when it does not come true in time."""
    ends_at = time.monotonic() + deadline_seconds
    while not satisfied():
        assert time.monotonic() < ends_at, f"not within {deadline_seconds} s: {what}"
        await asyncio.sleep(POLL_SECONDS)
