"""Starting and ending aiokafka's clients in bounded time, and so that nothing is left open."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError

from infrastructure.kafka.brokers import Brokers
from infrastructure.kafka.refusals import TurnedAway, why_turned_away

logger = logging.getLogger(__name__)

GRACE_SECONDS: Final = 1.0


async def start_client(start: Coroutine[Any, Any, None], deadline_seconds: float, brokers: Brokers) -> None:
    """Awaits a client's `start()`; the caller stops the client when that raises.

    Raises KafkaError or TimeoutError; TurnedAway says why.
    """
    try:
        await _start(start, deadline_seconds)
    except KafkaConnectionError as problem:
        if why := await why_turned_away(brokers):
            raise TurnedAway(why) from problem
        raise


async def _start(start: Coroutine[Any, Any, None], deadline_seconds: float) -> None:
    """A start that is cancelled in its first request forgets the connection it has just opened. So one that is
    cut short gets a moment to come to its end by itself.
    """
    starting = asyncio.ensure_future(start)
    try:
        async with asyncio.timeout(deadline_seconds):
            await asyncio.shield(starting)
    finally:
        if not starting.done():
            await asyncio.wait([starting], timeout=GRACE_SECONDS)
            starting.cancel()
            await asyncio.wait([starting], timeout=GRACE_SECONDS)


async def end_task(ending: Coroutine[Any, Any, object], deadline_seconds: float) -> None:
    """Lets what ends a client run by itself, so that how it fails is nobody's problem.

    Among other things aiokafka raises CancelledError from `stop()` when a request of its own was cancelled,
    which would look to our task as if it had been cancelled itself.
    """
    task = asyncio.ensure_future(ending)
    await asyncio.wait([task], timeout=deadline_seconds)
    task.cancel()
    if task.done() and not task.cancelled() and (problem := task.exception()):
        logger.debug("a Kafka client did not end cleanly: %r", problem)
