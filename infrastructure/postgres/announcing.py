"""Tells whoever listens that something was appended: after the commit, and nobody waits for it."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from infrastructure.postgres.appending import CHANNEL
from infrastructure.postgres.errors import TRANSIENT
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries

ANNOUNCE_SECONDS_MAX: Final = 2.0

_SQL: Final = load_queries(Path(__file__).parent / "log.sql")
_logger = logging.getLogger(__name__)


class Announcer:
    """Run it in a task whose owner awaits it. What is to be announced while it announces goes along with the next.

    An announcement only spares its hearers a while: they look by themselves, too, so one that fails is let go.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._partitions: set[int] = set()
        self._asked = asyncio.Event()

    def announce(self, partition: int) -> None:
        self._partitions.add(partition)
        self._asked.set()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            partitions, self._partitions = self._partitions, set()
            try:
                async with asyncio.timeout(ANNOUNCE_SECONDS_MAX):
                    text = ",".join(map(str, sorted(partitions)))
                    await self._pool.execute(_SQL["announce"], CHANNEL, text)
            except TRANSIENT as problem:
                _logger.warning("cannot announce what was appended, others will look: %r", problem)
