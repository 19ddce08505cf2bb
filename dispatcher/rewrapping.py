"""The rotation of master keys, while everything runs: keys that an earlier one wraps are wrapped by the first."""

import asyncio
import logging
from typing import Final, Never, Protocol

from infrastructure.master_keys import KeysUnfit
from infrastructure.postgres.errors import OUTAGES

KEYS_MAX: Final = 500
"""At once: some milliseconds."""
PAUSE_SECONDS: Final = 0.1
"""Between two batches, so that others have the database meanwhile."""
LOOK_SECONDS: Final = 30.0
"""Processes that still have the old settings may wrap by the old key for as long as they run."""

logger = logging.getLogger(__name__)


class Wrapped(Protocol):
    async def rewrap(self, keys_max: int) -> int: ...


async def keep_rewrapping(
    keys: Wrapped, look_seconds: float = LOOK_SECONDS, pause_seconds: float = PAUSE_SECONDS
) -> Never:
    """Any number of processes may: they pass by what another has in hand."""
    while True:
        try:
            if count := await _rewrap_all(keys, pause_seconds):
                logger.info("%d keys of people are wrapped by the first master key now", count)
        except (*OUTAGES, KeysUnfit) as problem:
            logger.warning("keys of people are wrapped anew later: %s", problem)
        await asyncio.sleep(look_seconds)


async def _rewrap_all(keys: Wrapped, pause_seconds: float) -> int:
    total = 0
    while count := await keys.rewrap(KEYS_MAX):
        total += count
        await asyncio.sleep(pause_seconds)
    return total
