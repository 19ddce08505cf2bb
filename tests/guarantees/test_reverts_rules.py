"""One result and one debit per transcription: with the attempt compared, the reservation looked at and one transaction, and without."""

from collections.abc import Sequence
from typing import TypeVar

import pytest
from msgspec.structs import replace

from commands.complete_transcription import complete_transcription
from commands.fail_attempt import fail_attempt
from commands.start_transcription import start_transcription
from dispatcher.reports import Outcome, ReportTaker
from domain import quota
from domain.decider import Decider
from domain.log import Address, Decision, VersionConflict
from domain.quota import QUOTA, DebitQuota, Quota, QuotaCommand, QuotaDebited, QuotaEvent
from domain.transcript_keys import transcript_key
from domain.transcription import TRANSCRIPTION
from domain.transcription_commands import CompleteTranscription, FailAttempt
from domain.transcription_events import TranscriptionCompleted
from infrastructure.memory import InMemoryEventStore
from schemas.events import opened
from schemas.messages import AttemptSucceeded
from schemas.sealing import BLIND
from tests.builders import ANNA, LATER, NOON, OTHER_WORKER, WORKER, granted, reserved, result
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import quota_of, transcription_queued
from tests.dispatcher.memory import MemoryDispatchTables, MovedClock

LEASE_SECONDS = 30.0

Kind = TypeVar("Kind")


class UnfencedTaker(ReportTaker):
    """Takes every report as one about the attempt that is the current one, of the worker that holds it."""

    async def _execute(self, outcome: Outcome) -> None:
        events = await self._store.read_stream(TRANSCRIPTION.stream_id(outcome.transcription_id))
        current = TRANSCRIPTION.fold(events)  # type: ignore[arg-type]  # its own events
        worker_id = current.worker_id or outcome.worker_id
        await super()._execute(replace(outcome, attempt=current.attempt, worker_id=worker_id))


async def results_after_a_stale_one(taker: type[ReportTaker]) -> list[str]:
    """Where the transcripts lie, when the worker of the first attempt reports after the second has begun."""
    store, clock = InMemoryEventStore(4), MovedClock()
    reports = taker(
        MemoryDispatchTables(store, clock), store, clock, LEASE_SECONDS, (OSError, VersionConflict)
    )
    await transcription_queued(store)
    await start_transcription(TRANSCRIPTION_ID, WORKER, NOON, store, PROVENANCE)
    expired = FailAttempt(
        transcription_id=TRANSCRIPTION_ID,
        attempt=1,
        reason="lease_expired",
        permanent=False,
        failed_at=LATER,
    )
    await fail_attempt(expired, store, PROVENANCE)
    await start_transcription(TRANSCRIPTION_ID, OTHER_WORKER, LATER, store, PROVENANCE)
    await reports.take([(0, 0, _succeeded(1)), (0, 1, _succeeded(2))])
    return [event.result.transcript_key for event in _of_type(store, TranscriptionCompleted)]


def _succeeded(attempt: int) -> AttemptSucceeded:
    return AttemptSucceeded(
        worker_id=WORKER if attempt == 1 else OTHER_WORKER,
        transcription_id=TRANSCRIPTION_ID,
        attempt=attempt,
        result=result(name=f"of attempt {attempt}"),
    )


def _key(name: str) -> str:
    return transcript_key(ANNA, TRANSCRIPTION_ID, name)


def _of_type(store: InMemoryEventStore, kind: type[Kind]) -> list[Kind]:
    events = [opened(record, BLIND) for record in store]
    return [event for event in events if isinstance(event, kind)]


async def test_of_two_attempts_only_the_current_one_gives_the_result() -> None:
    assert await results_after_a_stale_one(ReportTaker) == [_key("of attempt 2")]


async def test_without_comparing_attempts_a_stale_result_is_taken() -> None:
    assert await results_after_a_stale_one(UnfencedTaker) == [_key("of attempt 1")]


def careless(command: QuotaCommand, state: Quota) -> list[QuotaEvent]:
    """Debits without asking whether anything is reserved."""
    if isinstance(command, DebitQuota):
        return [
            QuotaDebited(
                user_id=command.user_id,
                transcription_id=command.transcription_id,
                minutes=2,
                debited_at=command.debited_at,
            )
        ]
    return quota.decide(command, state)


def debited_after_two_reports(decider: Decider[QuotaCommand, Quota, QuotaEvent]) -> int:
    """Minutes debited when the completion of one transcription of two minutes is reported twice."""
    state = decider.fold([granted(60), reserved(2)])
    debit = DebitQuota(user_id=ANNA, transcription_id=TRANSCRIPTION_ID, debited_at=NOON)
    for _ in range(2):
        state = decider.fold(decider.decide(debit, state), state)
    return state.minutes_debited


def test_a_completion_that_is_reported_twice_is_debited_once() -> None:
    assert debited_after_two_reports(QUOTA) == 2


def test_without_looking_at_the_reservation_it_is_debited_twice() -> None:
    without = Decider(QUOTA.category, QUOTA.initial, careless, QUOTA.evolve)
    assert debited_after_two_reports(without) == 4


class CrashingStore(InMemoryEventStore):
    """Loses the caller after the first commit since `crash_next` was set."""

    crash_next = False

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        return await self._commit(decisions)

    async def _commit(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        addresses = await super().append_chain(decisions)
        if self.crash_next:
            self.crash_next = False
            raise ConnectionError
        return addresses


class TornStore(CrashingStore):
    """Commits each stream of an append for itself."""

    async def append_chain(self, decisions: Sequence[Decision]) -> Sequence[Address]:
        [decision] = decisions
        return [
            (await self._commit([Decision([each], decision.provenance)]))[-1] for each in decision.appends
        ][-1:]


async def quota_after_a_crash_in_a_completion(store: CrashingStore) -> tuple[int, int, int]:
    """Minutes available, reserved and debited, when the report comes again after the crash."""
    await transcription_queued(store)
    await start_transcription(TRANSCRIPTION_ID, WORKER, NOON, store, PROVENANCE)
    complete = CompleteTranscription(
        transcription_id=TRANSCRIPTION_ID,
        attempt=1,
        worker_id=WORKER,
        result=result(),
        completed_at=LATER,
    )
    store.crash_next = True
    with pytest.raises(ConnectionError):
        await complete_transcription(complete, store, PROVENANCE)
    await complete_transcription(complete, store, PROVENANCE)
    assert len(_of_type(store, TranscriptionCompleted)) == 1
    return await quota_of(store)


async def test_a_crash_in_a_completion_leaves_both_events_or_neither() -> None:
    assert await quota_after_a_crash_in_a_completion(CrashingStore(4)) == (58, 0, 2)


async def test_in_two_transactions_a_crash_leaves_minutes_reserved_for_ever() -> None:
    assert await quota_after_a_crash_in_a_completion(TornStore(4)) == (58, 2, 0)
