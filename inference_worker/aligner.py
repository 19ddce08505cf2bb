"""Looks for typed words in the sound whenever the worker has no attempt in hand, and makes way at once for one that comes."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from domain.ports import ObjectStoreUnavailable
from domain.transcription_events import AlignmentStarted
from inference_worker.alignment_job import AlignedTranscript, carry_out_alignment, nothing_found
from inference_worker.attempts import Attempts
from inference_worker.faults import Fault
from inference_worker.job import Workplace
from inference_worker.ports import RunningEngine
from infrastructure.mendable import Mendable
from schemas.messages import AlignmentReported, Report

RETRY_SECONDS: Final = 30.0
"""After the object store was away."""

log = logging.getLogger(__name__)


class Aligner:
    """Has one in hand at most: the last it was given. What fails is put down, and the dispatcher gives it to somebody again.

    `tell` sends a report and says whether it is safe; `changed` is told when it takes one in hand or puts one down.
    """

    def __init__(
        self,
        worker_id: UUID,
        engine: RunningEngine,
        place: Workplace,
        *,
        attempts: Attempts,
        tell: Callable[[Report], Awaitable[bool]],
        changed: Callable[[], None],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._worker_id = worker_id
        self._engine = engine
        self._place = place
        self._attempts = attempts
        self._tell = tell
        self._changed = changed
        self._retry_seconds = retry_seconds
        self._in_hand: AlignmentStarted | None = None
        self._some = asyncio.Event()
        self._scope: asyncio.Timeout | None = None

    @property
    def transcription_id(self) -> UUID | None:
        """Of the one in hand."""
        return self._in_hand.transcription_id if self._in_hand else None

    def take(self, started: AlignmentStarted) -> None:
        self.make_way()
        self._in_hand = started
        self._some.set()
        self._changed()

    def make_way(self) -> None:
        """Breaks off what is in work; it begins anew when no attempt is in hand."""
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """For ever. Raises EngineUnavailable or InvalidSetting."""
        while True:
            await self._some.wait()
            await self._attempts.until_none()
            if self._in_hand is not None:
                await self._work_on(self._in_hand)
                # An engine that died of it is loaded again before anybody waits for it.
                await self._engine.make_ready()

    async def _work_on(self, started: AlignmentStarted) -> None:
        with contextlib.suppress(TimeoutError):
            try:
                async with asyncio.timeout(None) as self._scope:
                    report = await self._try(started)
            finally:
                self._scope = None
            if report is not None:
                await self._tell(report)
            self._put_down(started)

    def _put_down(self, started: AlignmentStarted) -> None:
        if self._in_hand is started:
            self._in_hand = None
            self._some.clear()
            self._changed()

    async def _try(self, started: AlignmentStarted) -> Report | None:
        """None where it cannot be done here."""
        about = f"the typed words of {started.transcription_id}"
        while True:
            try:
                done = await carry_out_alignment(started, self._engine, self._place)
            except Mendable:
                raise  # No attempt can succeed here until a person has been at it.
            except ObjectStoreUnavailable as problem:
                log.info("%s wait: %s", about, problem)
                await asyncio.sleep(self._retry_seconds)
            except Fault as fault:
                log.warning("%s were not looked for: %s", about, fault.reason)
                return self._report(started, nothing_found(started)) if fault.permanent else None
            except Exception:
                # Whatever it was, it must not take the attempts of this worker with it.
                log.exception("%s were not looked for", about)
                return None
            else:
                log.info("%d of %s are found", done.aligned_count, about)
                return self._report(started, done)

    def _report(self, started: AlignmentStarted, done: AlignedTranscript) -> AlignmentReported:
        return AlignmentReported(
            worker_id=self._worker_id,
            transcription_id=started.transcription_id,
            revision=started.revision,
            attempt=started.attempt,
            transcript_key=done.transcript_key,
            transcript_sha256=done.transcript_sha256,
            word_count=done.word_count,
            aligned_count=done.aligned_count,
        )
