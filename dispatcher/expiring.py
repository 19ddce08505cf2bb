"""Removes answers that were kept for a day for whoever sends a request again."""

import asyncio
import logging
from typing import Final, Never, Protocol

from infrastructure.postgres.errors import OUTAGES

LOOK_SECONDS: Final = 600.0
PAUSE_SECONDS: Final = 0.1
"""Between two batches, so that others have the database meanwhile."""

logger = logging.getLogger(__name__)


class Expiring(Protocol):
    async def expire(self) -> int: ...


async def keep_expiring(
    keys: Expiring, look_seconds: float = LOOK_SECONDS, pause_seconds: float = PAUSE_SECONDS
) -> Never:
    """Any number of processes may: they pass by what another has in hand."""
    while True:
        seconds = look_seconds
        try:
            if await keys.expire():
                seconds = pause_seconds
        except OUTAGES as problem:
            logger.warning("old answers are removed later: %s", type(problem).__name__)
        await asyncio.sleep(seconds)
