"""Doing again what failed only because the database could not be reached, until a deadline."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from infrastructure.postgres.errors import TRANSIENT, DatabaseUnavailable

PAUSE_SECONDS_MIN: Final = 0.02
PAUSE_SECONDS_MAX: Final = 0.5

Answer = TypeVar("Answer")


async def retried(action: Callable[[], Awaitable[Answer]], deadline_seconds: float) -> Answer:
    """`action` must be safe to run twice, since an answer may be lost on its way. Raises DatabaseUnavailable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_seconds
    pause_seconds = PAUSE_SECONDS_MIN
    reason: BaseException | None = None
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await action()
        except TRANSIENT as problem:
            if is_being_cancelled():
                raise asyncio.CancelledError from problem
            # The deadline itself says nothing about what is wrong: the failure before it does.
            if reason is None or not isinstance(problem, TimeoutError):
                reason = problem
            if loop.time() + pause_seconds >= deadline:
                raise DatabaseUnavailable(
                    f"no answer from the database within {deadline_seconds:g} s: {reason!r}"
                ) from problem
        # Jitter, so that all who lost the same server do not come back at once.
        await asyncio.sleep(pause_seconds * random.uniform(0.5, 1))  # noqa: S311
        pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)


def is_being_cancelled() -> bool:
    """Whether this task was told to end, and perhaps does not know.

    A cancellation that meets a broken connection is lost: asyncpg's transaction raises on its way out that the
    connection is closed, instead. Whoever carries on after such an error asks here first.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
