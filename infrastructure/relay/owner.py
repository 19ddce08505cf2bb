"""Shares the partitions out among relay processes, and runs one relay for each that is held here."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Never

from aiokafka.errors import ProducerFenced

from domain.ports import Leases
from infrastructure.relay.standing import Refused

logger = logging.getLogger(__name__)

RELEASE_SECONDS: Final = 2.0

Relay = Callable[[int], Coroutine[Any, Any, Never]]
"""Relays a partition until cancelled."""


class RelayOwner:
    """Holds leases and a task for each; a lost lease ends its task at once.

    Two processes may still relay one partition for a moment, when one was frozen and thawed: Kafka fences
    the older producer then, and its owner asks for the leases anew.
    """

    def __init__(self, leases: Leases, relay: Relay, lease_seconds: float) -> None:
        self._leases = leases
        self._relay = relay
        self._lease_seconds = lease_seconds
        self._renewed_at = 0.0
        self._tasks: dict[int, asyncio.Task[Never]] = {}
        self.refused: dict[int, str] = {}
        """Why partitions that are held here are not relayed: log and Kafka contradict each other."""

    @property
    def renew_seconds(self) -> float:
        return self._lease_seconds / 3

    async def run(self) -> Never:
        """Until cancelled; then the relays end, and the leases are given up."""
        try:
            while True:
                await self._hold(await self._renewed())
                await self._wait()
        finally:
            await self._hold(frozenset())
            await self._release()

    async def _renewed(self) -> frozenset[int]:
        """The partitions that are ours; those we had while it is uncertain, and none once the lease is over."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self.renew_seconds):
                held = frozenset(await self._leases.renew())
        except Exception as problem:  # noqa: BLE001 - whatever keeps the database away
            logger.warning("the leases could not be renewed: %r", problem)
            is_over = now() - self._renewed_at >= self._lease_seconds
            return frozenset() if is_over else self._held
        self._renewed_at = now()
        return held

    @property
    def _held(self) -> frozenset[int]:
        return frozenset(self._tasks) | frozenset(self.refused)

    async def _hold(self, partitions: frozenset[int]) -> None:
        lost = self._tasks.keys() - partitions
        await self._stop([self._tasks.pop(partition) for partition in lost])
        self.refused = {each: why for each, why in self.refused.items() if each in partitions}
        for partition in partitions - self._held:
            name = f"relay of partition {partition}"
            self._tasks[partition] = asyncio.create_task(self._relay(partition), name=name)

    async def _stop(self, tasks: list[asyncio.Task[Never]]) -> None:
        for task in tasks:
            task.cancel()
        # Whatever they end with, they are over; what they raised is no longer our partition's.
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self) -> None:
        """Until it is time to renew, or a relay has ended."""
        if not self._tasks:
            await asyncio.sleep(self.renew_seconds)
            return
        await asyncio.wait(
            self._tasks.values(), timeout=self.renew_seconds, return_when=asyncio.FIRST_COMPLETED
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

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._leases.release()
        except Exception as problem:  # noqa: BLE001 - they run out by themselves
            logger.warning("the leases could not be released: %r", problem)
