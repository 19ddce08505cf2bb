"""Shares the partitions out among relay processes, and runs one relay for each that is held here."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Never

from aiokafka.errors import ProducerFenced

from domain.ports import Leases
from infrastructure.postgres.errors import DatabaseUnavailable
from relay.kafka_state import Refused
from relay.refusals import Refusals

logger = logging.getLogger(__name__)

PROVEN_SECONDS: Final = 10.0
"""A relay that has run for so long has found nothing wrong: it looks before it sends, and again every few seconds."""

Relay = Callable[[int], Coroutine[Any, Any, Never]]
"""Relays a partition until cancelled."""


class RelayOwner:
    """Holds leases and a task for each; a lost lease ends its task at once.

    Two processes may still relay one partition for a moment, when one was frozen and thawed: Kafka fences
    the older producer then, and its owner asks for the leases anew.
    """

    def __init__(
        self,
        leases: Leases,
        relay: Relay,
        refusals: Refusals,
        renew_seconds: float,
        proven_seconds: float = PROVEN_SECONDS,
    ) -> None:
        self._leases = leases
        self._relay = relay
        self._refusals = refusals
        self._renew_seconds = renew_seconds
        self._proven_seconds = proven_seconds
        self._tasks: dict[int, asyncio.Task[Never]] = {}
        self._began: dict[int, float] = {}
        self._told: tuple[dict[int, str], frozenset[int]] = {}, frozenset()
        self._ending: set[asyncio.Task[Never]] = set()
        self.refused: dict[int, str] = {}
        """Why partitions that are held here are not relayed: log and Kafka contradict each other."""

    async def run(self) -> Never:
        """Until cancelled; then the relays end, and the leases are given up."""
        try:
            while True:
                self._hold(frozenset(await self._leases.renew()))
                await self._tell()
                await self._wait()
        finally:
            self._hold(frozenset())
            # Whatever they end with, they are over.
            await asyncio.gather(*self._ending, return_exceptions=True)
            await self._leases.release()

    def _hold(self, partitions: frozenset[int]) -> None:
        for partition in self._tasks.keys() - partitions:
            self._end(self._tasks.pop(partition))
        self.refused = {each: why for each, why in self.refused.items() if each in partitions}
        for partition in partitions - self._tasks.keys() - self.refused.keys():
            name = f"relay of partition {partition}"
            self._tasks[partition] = asyncio.create_task(self._relay(partition), name=name)
            self._began[partition] = asyncio.get_running_loop().time()

    def _end(self, task: asyncio.Task[Never]) -> None:
        """Not awaited: a producer may take seconds to end, and the other leases want to be renewed."""
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _tell(self) -> None:
        """Tells what has changed; later, when the database is away."""
        news = self.refused, self._proven()
        if news == self._told:
            return
        try:
            await self._refusals.tell(*news)
        except DatabaseUnavailable as problem:
            logger.warning("which partitions stand still could not be told: %s", problem)
        else:
            self._told = dict(self.refused), news[1]

    def _proven(self) -> frozenset[int]:
        since = asyncio.get_running_loop().time() - self._proven_seconds
        return frozenset(each for each in self._tasks if self._began[each] <= since)

    async def _wait(self) -> None:
        """Until it is time to renew, or a relay has ended."""
        if not self._tasks:
            await asyncio.sleep(self._renew_seconds)
            return
        await asyncio.wait(
            self._tasks.values(), timeout=self._renew_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for partition in [each for each, task in self._tasks.items() if task.done()]:
            self._ended(partition, self._tasks.pop(partition))

    def _ended(self, partition: int, task: asyncio.Task[Never]) -> None:
        """Raises what no relay should end with."""
        try:
            task.result()
        except ProducerFenced:
            logger.warning("another relay took partition %d over", partition)
        except Refused as problem:
            logger.error("relaying stops: %s", problem)  # noqa: TRY400 - the message says it all
            self.refused[partition] = str(problem)
