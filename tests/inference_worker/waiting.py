"""Waiting for a condition, with a deadline."""

import asyncio
from collections.abc import Callable

POLL_SECONDS = 0.01


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Raises TimeoutError when the condition does not come true in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(POLL_SECONDS)
