"""Slots of a role shared out among processes, each for as long as it keeps saying that it is there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final
from uuid import UUID

from infrastructure.postgres.errors import DatabaseUnavailable
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import load_queries
from infrastructure.postgres.retry import retried

RENEWALS_PER_LEASE: Final = 3

RELAY: Final = "relay"
PROJECT: Final = "project"
DISPATCH: Final = "dispatch queue"
SEAL: Final = "seal"
"""The roles there are; whoever asks who is at work asks by the same names."""

_SQL: Final = load_queries(Path(__file__).parent / "leases.sql")
_logger = logging.getLogger(__name__)


class PostgresLeases:
    """Leases end by the clock of the database; a holder counts by its own, from before it asked, so it stops first.

    `role` names what is shared ("relay"), `owner_id` this process: a new one for each start. Slots come in groups of `width`
    neighbours, the last of which may be smaller: a member holds all of a group, or none of it.
    """

    def __init__(
        self,
        pool: Pool,
        role: str,
        slot_count: int,
        owner_id: UUID,
        lease_seconds: float,
        *,
        width: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._role = role
        self._slot_count = slot_count
        self._owner_id = owner_id
        self._lease_seconds = lease_seconds
        self._width = width
        self._monotonic = monotonic
        self._slots: frozenset[int] = frozenset()
        self._ends_at = 0.0
        self._renewed = asyncio.Event()

    @property
    def renew_seconds(self) -> float:
        """How long to wait between two calls of `renew`."""
        return self._lease_seconds / RENEWALS_PER_LEASE

    @property
    def held(self) -> Collection[int]:
        """The slots this process holds at this moment: none once the lease has run out, say while it was frozen."""
        return self._slots if self._monotonic() < self._ends_at else frozenset()

    async def renew(self) -> Collection[int]:
        """While the database cannot be reached, what is held is held until the lease runs out."""
        asked_at = self._monotonic()
        try:
            slots = await retried(self._renew, self.renew_seconds)
        except DatabaseUnavailable as problem:
            _logger.warning("the leases of %s could not be renewed: %s", self._role, problem)
            return self.held
        self._slots, self._ends_at = frozenset(slots), asked_at + self._lease_seconds
        self._renewed.set()
        self._renewed = asyncio.Event()
        return self.held

    async def next_renewal(self) -> Collection[int]:
        """What is held once somebody has called `renew`, or when the lease has run out since nobody has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self.renew_seconds, self._ends_at - self._monotonic())):
                await self._renewed.wait()
        return self.held

    async def _renew(self) -> list[int]:
        slots: list[int] = await self._pool.fetchval(
            _SQL["renew"], self._role, self._slot_count, self._owner_id, self._lease_seconds, self._width
        )
        return slots

    async def release(self) -> None:
        """Where the database cannot be reached, the leases run out by themselves."""
        self._slots = frozenset()
        try:
            await retried(
                lambda: self._pool.execute(_SQL["release"], self._role, self._owner_id), self.renew_seconds
            )
        except DatabaseUnavailable as problem:
            _logger.warning("the leases of %s could not be released: %s", self._role, problem)
