"""Starting aiokafka's clients so that nothing is left open when a start is cut short."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

GRACE_SECONDS: Final = 1.0


async def start_client(start: Coroutine[Any, Any, None], deadline_seconds: float) -> None:
    """Awaits a client's `start()`; the caller stops the client when that raises.

    A start that is cancelled in its first request forgets the connection it has just opened. So one that is
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
