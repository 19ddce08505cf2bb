"""Has typed words looked for in the sound when no transcription waits and a worker has nothing else to do.

Nobody waits for it, so that it looks seldom, and whatever fails is tried again or left as it is.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final, Never
from uuid import UUID

from msgspec import Struct

from commands.align_transcript import start_alignment
from commands.turns import TooManyAtOnce
from dispatcher.alignments import Alignments, DueAlignment
from domain.aligning import StartAlignment
from domain.errors import Rejection
from domain.log import Provenance
from domain.ports import Clock, EventStore, EventUnreadable, PartitionDetached
from infrastructure.waiting import Wait

ACTOR: Final = "dispatcher"

logger = logging.getLogger(__name__)


class AlignmentLimits(Struct, frozen=True, kw_only=True):
    look_seconds: float = 5.0
    lease_seconds: float = 15.0
    """How long a worker may be silent about what it was given, and how long it may take to say that it has it."""
    silence_seconds_max: float = 6.0
    """How long after its last report a worker still counts as there."""
    unread_seconds: float = 600.0
    """How long one is left alone whose events cannot be read: somebody has to mend that, and a few of them would take every turn."""


class AlignmentDispatcher:
    """`outages` are the errors that pass by themselves."""

    def __init__(
        self,
        alignments: Alignments,
        store: EventStore,
        clock: Clock,
        *,
        limits: AlignmentLimits | None = None,
        outages: tuple[type[Exception], ...] = (OSError,),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alignments = alignments
        self._store = store
        self._clock = clock
        self._limits = limits or AlignmentLimits()
        self._outages: tuple[type[Exception], ...] = (*outages, TooManyAtOnce)
        self._monotonic = monotonic
        self._left_alone_until: dict[UUID, float] = {}

    async def run(self) -> Never:
        """Until cancelled; may be run again."""
        needs = Wait("what assigning alignments needs")
        while True:
            try:
                await self.assign()
                needs.is_over()
            except self._outages as problem:
                needs.goes_on(type(problem).__name__)
            await asyncio.sleep(self._limits.look_seconds)

    async def assign(self) -> None:
        limits = self._limits
        for due in await self._alignments.due(
            limits.silence_seconds_max, self._left_alone(), limits.lease_seconds
        ):
            # Given or refused: what says so reaches the tables later.
            self._leave_alone(due, limits.lease_seconds)
            await self._start(due)

    async def _start(self, due: DueAlignment) -> None:
        command = StartAlignment(
            transcription_id=due.transcription_id,
            revision=due.revision,
            attempt=due.attempt,
            worker_id=due.worker_id,
            started_at=self._clock.now(),
        )
        provenance = Provenance(actor=ACTOR, correlation_id=due.transcription_id)
        try:
            await start_alignment(command, self._store, provenance)
        except Rejection as problem:
            logger.info("the words of %s are not looked for now: %s", due.transcription_id, problem)
        except (PartitionDetached, EventUnreadable) as problem:
            self._leave_alone(due, self._limits.unread_seconds)
            logger.info("the words of %s cannot be looked for: %s", due.transcription_id, problem)

    def _leave_alone(self, due: DueAlignment, seconds: float) -> None:
        self._left_alone_until[due.transcription_id] = self._monotonic() + seconds

    def _left_alone(self) -> Collection[UUID]:
        now = self._monotonic()
        self._left_alone_until = {
            each: until for each, until in self._left_alone_until.items() if until > now
        }
        return list(self._left_alone_until)
