"""Shares the lanes out among relay processes, and runs one relay for each that is held here."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Never

from aiokafka.errors import ProducerFenced

from domain.ports import Leases
from infrastructure.postgres.errors import DatabaseUnavailable
from relay.kafka_state import Refused
from relay.lanes import Lane
from relay.refusals import Refusals
from relay.relay import Tell

logger = logging.getLogger(__name__)

PROVEN_SECONDS: Final = 10.0
"""A relay that has run for so long has found nothing wrong: it looks before it sends, and again every few seconds."""

Relay = Callable[[Lane, Tell], Coroutine[Any, Any, Never]]
"""Relays a lane until cancelled, or until the last of its partitions is refused."""


class RelayOwner:
    """Holds leases of partitions and a task for each lane of them; a lost lease ends its task at once.

    Two processes may still relay one lane for a moment, when one was frozen and thawed: Kafka fences
    the older producer then, and its owner asks for the leases anew.
    """

    def __init__(
        self,
        leases: Leases,
        lanes: Sequence[Lane],
        relay: Relay,
        refusals: Refusals,
        *,
        renew_seconds: float,
        proven_seconds: float = PROVEN_SECONDS,
    ) -> None:
        self._leases = leases
        self._lanes = lanes
        self._relay = relay
        self._refusals = refusals
        self._renew_seconds = renew_seconds
        self._proven_seconds = proven_seconds
        self._tasks: dict[Lane, asyncio.Task[Never]] = {}
        self._began: dict[Lane, float] = {}
        self._told: tuple[dict[int, str], frozenset[int]] = {}, frozenset()
        self._ending: set[asyncio.Task[Never]] = set()
        self.refused: dict[int, str] = {}
        """Why partitions that are held here are not relayed: log and Kafka contradict each other."""
        self.waiting: dict[int, str] = {}
        """Why others of them wait, which their relays go on with by themselves."""

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
        held = [lane for lane in self._lanes if partitions.issuperset(lane)]
        for lane in self._tasks.keys() - held:
            self._end(self._tasks.pop(lane))
        self.refused = {each: why for each, why in self.refused.items() if each in partitions}
        self.waiting = {each: why for each, why in self.waiting.items() if each in partitions}
        for lane in held:
            if lane not in self._tasks and not self.refused.keys() >= set(lane):
                self._begin(lane)

    def _begin(self, lane: Lane) -> None:
        for partition in lane:  # It looks at all of them anew.
            self.refused.pop(partition, None)
            self.waiting.pop(partition, None)
        name = f"relay of partitions {lane[0]} to {lane[-1]}"
        self._tasks[lane] = asyncio.create_task(self._relay(lane, self._hear), name=name)
        self._began[lane] = asyncio.get_running_loop().time()

    def _hear(self, partition: int, why: Exception | None) -> None:
        if isinstance(why, Refused):
            logger.error("relaying stops: %s", why)
            self.refused[partition] = str(why)
        elif why is not None:
            self.waiting[partition] = str(why)
        else:
            self.waiting.pop(partition, None)

    def _end(self, task: asyncio.Task[Never]) -> None:
        """Not awaited: a producer may take seconds to end, and the other leases want to be renewed."""
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _tell(self) -> None:
        """Tells what has changed; later, when the database is away."""
        news = self.waiting | self.refused, self._proven()
        if news == self._told:
            return
        try:
            await self._refusals.tell(*news)
        except DatabaseUnavailable as problem:
            logger.warning("which partitions stand still could not be told: %s", problem)
        else:
            self._told = news

    def _proven(self) -> frozenset[int]:
        since = asyncio.get_running_loop().time() - self._proven_seconds
        relayed = {each for lane in self._tasks if self._began[lane] <= since for each in lane}
        return frozenset(relayed - self.refused.keys() - self.waiting.keys())

    async def _wait(self) -> None:
        """Until it is time to renew, or a relay has ended."""
        if not self._tasks:
            await asyncio.sleep(self._renew_seconds)
            return
        await asyncio.wait(
            self._tasks.values(), timeout=self._renew_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for lane in [each for each, task in self._tasks.items() if task.done()]:
            self._ended(lane, self._tasks.pop(lane))

    def _ended(self, lane: Lane, task: asyncio.Task[Never]) -> None:
        """Raises what no relay should end with."""
        try:
            task.result()
        except ProducerFenced:
            logger.warning("another relay took partitions %d to %d over", lane[0], lane[-1])
        except Refused:
            """Each of them was told of."""
