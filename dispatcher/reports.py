"""What the dispatcher does about workers' reports: each may be old, doubled or wrong, and none stops it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar
from uuid import UUID

from msgspec.structs import replace

from commands.align_transcript import complete_alignment
from commands.complete_transcription import complete_transcription
from commands.fail_attempt import fail_attempt
from dispatcher.ports import AttemptKey, DispatchTables, ReceivedReport
from domain.aligning import CompleteAlignment
from domain.attempts import TRANSCRIPT_MISPLACED
from domain.errors import NothingDecoded, Rejection, TranscriptMisplaced
from domain.log import Provenance
from domain.ports import Clock, EventStore, EventUnreadable, PartitionDetached
from domain.transcription_commands import CompleteTranscription, FailAttempt
from schemas.messages import (
    AlignmentReported,
    AttemptFaulted,
    AttemptSucceeded,
    ProgressReported,
    Report,
    WorkerGone,
    WorkerLeaving,
    WorkerReady,
)

logger = logging.getLogger(__name__)

Outcome = AttemptSucceeded | AttemptFaulted
Member = WorkerReady | WorkerLeaving | WorkerGone
Kind = TypeVar("Kind")

OUTCOMES_AT_ONCE: Final = 16
REASON_CHARACTERS_MAX: Final = 200
KEEP_SECONDS: Final = 5.0
"""How old the offsets that are written down may be: what came after them is taken once more after a restart."""


class ReportTaker:
    """Takes batches of reports; taking one twice changes nothing."""

    def __init__(
        self,
        tables: DispatchTables,
        store: EventStore,
        clock: Clock,
        lease_seconds: float,
        outages: tuple[type[Exception], ...],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tables = tables
        self._store = store
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._outages = outages
        self._monotonic = monotonic
        self._next_offsets: dict[int, int] = {}
        self._keep_at = float("-inf")

    async def take(self, batch: Sequence[ReceivedReport]) -> None:
        """Raises one of the outages when it has to be taken again."""
        reports = [report for _, _, report in batch]
        # Outcomes last: what a worker said was running before it ended is not to be leased again.
        await self._take_members([each for each in reports if isinstance(each, Member)])
        await self._take_progress([each for each in reports if isinstance(each, ProgressReported)])
        await self._take_outcomes([each for each in reports if isinstance(each, Outcome)])
        await self._take_alignments([each for each in reports if isinstance(each, AlignmentReported)])
        # What it achieved before it was gone counts.
        await self._take_ends([each.worker_id for each in reports if isinstance(each, WorkerGone)])
        self._next_offsets |= {partition: offset + 1 for partition, offset, _ in batch}
        await self._keep_offsets()

    async def _keep_offsets(self) -> None:
        """And drops what nobody needs any more. Now and then: to write them with every batch costs as much as most batches."""
        if (now := self._monotonic()) >= self._keep_at:
            await self._tables.keep_offsets(self._next_offsets)
            await self._tables.drop_windows()
            self._keep_at = now + KEEP_SECONDS
            self._next_offsets = {}

    async def _take_members(self, reports: Iterable[Member]) -> None:
        """A worker's reports lie in one partition, in order: the last one counts."""
        last = {report.worker_id: report for report in reports}
        leaving = [each.worker_id for each in last.values() if not isinstance(each, WorkerReady)]
        ready = [each for each in last.values() if isinstance(each, WorkerReady)]
        await self._together_or_apart(self._tables.dismiss, leaving)
        await self._together_or_apart(self._announce, ready)

    async def _take_ends(self, workers: Sequence[UUID]) -> None:
        await self._together_or_apart(self._tables.give_up, workers)

    async def _announce(self, ready: Sequence[WorkerReady]) -> None:
        await self._tables.announce(ready, self._lease_seconds)

    async def _take_progress(self, reports: Iterable[ProgressReported]) -> None:
        last: dict[tuple[UUID, int, UUID], ProgressReported] = {}
        for each in reports:
            key = each.transcription_id, each.attempt, each.worker_id
            before = last[key].windows if key in last else ()
            last[key] = replace(each, windows=before + each.windows)
        await self._together_or_apart(self._note_progress, list(last.values()))

    async def _note_progress(self, reports: Sequence[ProgressReported]) -> None:
        await self._tables.note_progress(reports, self._lease_seconds)

    async def _together_or_apart(
        self, take: Callable[[Sequence[Kind]], Awaitable[None]], reports: Sequence[Kind]
    ) -> None:
        """In one step; when something in it is wrong, one by one, leaving out what is wrong."""
        if not reports:
            return
        try:
            await take(reports)
        except self._outages:
            raise
        except Exception:
            if len(reports) == 1:
                logger.exception("a %s could not be taken", type(reports[0]).__name__)
                return
            for report in reports:
                await self._together_or_apart(take, [report])

    async def _take_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        places = asyncio.Semaphore(OUTCOMES_AT_ONCE)

        async def take(outcome: Outcome) -> None:
            async with places:
                await self._take_outcome(outcome)

        # Reports about one transcription keep their order among themselves.
        await together(_one_by_one(take, about) for about in _by_transcription(outcomes))

    async def _take_outcome(self, outcome: Outcome) -> None:
        attempt = AttemptKey(outcome.transcription_id, outcome.attempt)
        try:
            await self._execute(outcome)
        except Rejection as rejection:
            logger.info("a %s of worker %s is void: %s", _name(outcome), outcome.worker_id, rejection)
        except (PartitionDetached, EventUnreadable) as problem:
            # As below; when the partition or the key is there again its lease runs out.
            logger.error("a %s of %s is not taken: %s", _name(outcome), outcome.transcription_id, problem)  # noqa: TRY400
            return
        except self._outages:
            raise
        except Exception:
            # Its lease makes good what it meant; the other reports must not wait for somebody to mend this.
            logger.exception("a %s of %s could not be taken", _name(outcome), outcome.transcription_id)
            return
        # Of no other worker's: whoever reports about an attempt it does not hold ends nothing.
        await self._tables.end(attempt, outcome.worker_id)

    async def _take_alignments(self, found: Sequence[AlignmentReported]) -> None:
        """One that is void, or cannot be taken, is nobody's loss: the times stay estimated, or are looked for again."""
        for each in found:
            try:
                await complete_alignment(_completion(each, self._clock), self._store, _provenance(each))
            except (Rejection, PartitionDetached, EventUnreadable) as problem:
                logger.info("an alignment of %s is void: %s", each.transcription_id, problem)
            except self._outages:
                raise
            except Exception:
                logger.exception("an alignment of %s could not be taken", each.transcription_id)

    async def _execute(self, outcome: Outcome) -> None:
        """Raises a Rejection when the report is not to be believed."""
        match outcome:
            case AttemptSucceeded():
                await self._complete(outcome)
            case AttemptFaulted():
                await self._fail(outcome, outcome.reason, permanent=outcome.permanent)

    async def _complete(self, outcome: AttemptSucceeded) -> None:
        complete = CompleteTranscription(
            transcription_id=outcome.transcription_id,
            attempt=outcome.attempt,
            worker_id=outcome.worker_id,
            result=outcome.result,
            completed_at=self._clock.now(),
        )
        try:
            await complete_transcription(complete, self._store, _provenance(outcome))
        except TranscriptMisplaced as rejection:
            logger.error("worker %s: %s", outcome.worker_id, rejection)  # noqa: TRY400  # said by us, no surprise
            await self._fail(outcome, TRANSCRIPT_MISPLACED, permanent=False)
        except NothingDecoded as rejection:
            await self._fail(outcome, rejection.code, permanent=True)

    async def _fail(self, outcome: Outcome, reason: str, *, permanent: bool) -> None:
        fail = FailAttempt(
            transcription_id=outcome.transcription_id,
            attempt=outcome.attempt,
            worker_id=outcome.worker_id,
            reason=reason[:REASON_CHARACTERS_MAX],
            permanent=permanent,
            failed_at=self._clock.now(),
        )
        await fail_attempt(fail, self._store, _provenance(outcome))


def _completion(found: AlignmentReported, clock: Clock) -> CompleteAlignment:
    return CompleteAlignment(
        transcription_id=found.transcription_id,
        revision=found.revision,
        attempt=found.attempt,
        worker_id=found.worker_id,
        transcript_key=found.transcript_key,
        transcript_sha256=found.transcript_sha256,
        word_count=found.word_count,
        aligned_count=found.aligned_count,
        aligned_at=clock.now(),
    )


def _provenance(outcome: Outcome | AlignmentReported) -> Provenance:
    return Provenance(actor=f"worker:{outcome.worker_id}", correlation_id=outcome.transcription_id)


async def together(tasks: Iterable[Awaitable[None]]) -> None:
    """Returns when all have ended; raises the first error there was."""
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer


def _by_transcription(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    about: dict[UUID, list[Outcome]] = {}
    for outcome in outcomes:
        about.setdefault(outcome.transcription_id, []).append(outcome)
    return list(about.values())


async def _one_by_one(take: Callable[[Kind], Awaitable[None]], items: Iterable[Kind]) -> None:
    for item in items:
        await take(item)


def _name(report: Report) -> str:
    return type(report).__name__
