"""How far the partitions are relayed that this process holds, written down for whoever watches."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Never

from infrastructure.postgres.errors import OUTAGES
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries

TELL_SECONDS: Final = 1.0

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))
logger = logging.getLogger(__name__)


async def keep_telling(pool: Pool, positions: Callable[[], Mapping[int, int]]) -> Never:
    """Writes down what has changed, each second. An outage of the database is the relays' to complain of."""
    told: dict[int, int] = {}
    while True:
        now = dict(positions())
        news = {each: seq for each, seq in now.items() if told.get(each) != seq}
        try:
            if news:
                await pool.execute(_SQL["tell"], list(news), list(news.values()))
            told = now
        except OUTAGES as problem:
            logger.debug("how far partitions are relayed could not be told: %r", problem)
        await asyncio.sleep(TELL_SECONDS)
