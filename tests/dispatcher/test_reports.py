"""Reports move transcriptions on, once each; what is old, doubled or wrong changes nothing and stops nothing."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from msgspec.structs import replace

from commands.start_transcription import start_transcription
from dispatcher.ports import AttemptKey, Lease
from dispatcher.reports import KEEP_SECONDS, ReportTaker
from domain.attempts import ATTEMPTS_MAX
from domain.log import VersionConflict
from domain.transcription import TRANSCRIPTION, Transcription
from domain.transcription_events import TranscriptionFailed
from infrastructure.memory import InMemoryEventStore
from schemas.messages import (
    AttemptFaulted,
    AttemptSucceeded,
    FinishedWindow,
    ProgressReported,
    Report,
    WorkerGone,
    WorkerLeaving,
    WorkerReady,
)
from tests.builders import ANNA, BERT, NOON, OTHER_WORKER, WORKER, identity, result
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.commands.conftest import PROVENANCE
from tests.commands.stories import quota_of, transcription_queued
from tests.dispatcher.memory import MemoryDispatchTables, MovedClock

LEASE_SECONDS = 30.0


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def tables(store: InMemoryEventStore, clock: MovedClock) -> MemoryDispatchTables:
    return MemoryDispatchTables(store, clock)


@pytest.fixture
def taker(tables: MemoryDispatchTables, store: InMemoryEventStore, clock: MovedClock) -> ReportTaker:
    return ReportTaker(tables, store, clock, LEASE_SECONDS, (OSError, VersionConflict))


async def assigned(store: InMemoryEventStore, tables: MemoryDispatchTables) -> None:
    """Anna's transcription runs as attempt 1 at WORKER."""
    await transcription_queued(store)
    await start_transcription(TRANSCRIPTION_ID, WORKER, NOON, store, PROVENANCE)
    lease = Lease(
        transcription_id=TRANSCRIPTION_ID, attempt=1, worker_id=WORKER, user_id=ANNA, requested_at=NOON
    )
    await tables.grant(lease, LEASE_SECONDS)


def batch(*reports: Report, first_offset: int = 0) -> Sequence[tuple[int, int, Report]]:
    return [(0, offset, report) for offset, report in enumerate(reports, first_offset)]


def succeeded(attempt: int = 1, transcription_id: UUID = TRANSCRIPTION_ID) -> AttemptSucceeded:
    return AttemptSucceeded(
        worker_id=WORKER, transcription_id=transcription_id, attempt=attempt, result=result()
    )


def faulted(attempt: int = 1, *, permanent: bool = False) -> AttemptFaulted:
    return AttemptFaulted(
        worker_id=WORKER,
        transcription_id=TRANSCRIPTION_ID,
        attempt=attempt,
        reason="engine_crashed",
        permanent=permanent,
    )


def ready(*running: tuple[UUID, int]) -> WorkerReady:
    return WorkerReady(worker_id=WORKER, engine="scripted", slots=1, running=running)


async def state_of(store: InMemoryEventStore) -> Transcription:
    events = await store.read_stream(TRANSCRIPTION.stream_id(TRANSCRIPTION_ID))
    return TRANSCRIPTION.fold(events)  # type: ignore[arg-type]  # its own events


async def test_offsets_are_written_with_the_first_batch_and_then_now_and_then(
    tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    clock = MovedClock()
    taker = ReportTaker(tables, store, clock, LEASE_SECONDS, (OSError,), monotonic=clock.monotonic)
    await taker.take(batch(ready()))
    assert tables.offsets == {0: 1}
    await taker.take([(0, 1, ready()), (1, 7, ready())])
    assert tables.offsets == {0: 1}
    clock.seconds += KEEP_SECONDS
    await taker.take([(2, 3, ready())])
    assert tables.offsets == {0: 2, 1: 8, 2: 4}


async def test_success_completes_debits_and_frees_the_slot(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(succeeded()))
    assert (await state_of(store)).status == "completed"
    assert await quota_of(store) == (58, 0, 2)
    assert tables.leases == {}


async def test_of_a_damaged_recording_what_decoded_is_debited(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(replace(succeeded(), result=result(duration_seconds=31.0))))
    assert (await state_of(store)).status == "completed"
    assert await quota_of(store) == (59, 0, 1)


async def test_a_result_of_nothing_that_decoded_is_a_failure_and_costs_nothing(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(replace(succeeded(), result=result(duration_seconds=0.0))))
    assert (await state_of(store)).status == "failed"
    assert await quota_of(store) == (60, 0, 0)
    assert tables.leases == {}


async def test_a_batch_taken_again_changes_nothing(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    reports = batch(ready((TRANSCRIPTION_ID, 1)), succeeded(), ready())
    await taker.take(reports)
    before = list(store)
    await taker.take(reports)
    assert list(store) == before
    assert tables.leases == {}
    assert tables.offsets == {0: 3}


async def test_what_ran_before_it_succeeded_in_the_same_batch_is_not_leased_again(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    tables.queue()
    tables.lagging = True
    await taker.take(batch(ready((TRANSCRIPTION_ID, 1)), succeeded()))
    assert tables.leases == {}


async def test_a_fault_gives_the_job_back_to_the_queue(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(faulted()))
    state = await state_of(store)
    assert (state.status, state.failures) == ("queued", 1)
    assert tables.leases == {}


async def test_a_permanent_fault_fails_the_transcription_and_releases_its_minutes(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(faulted(permanent=True)))
    assert (await state_of(store)).status == "failed"
    assert await quota_of(store) == (60, 0, 0)


async def test_a_stale_success_is_ignored_and_leaves_the_newer_lease(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(faulted()))
    await start_transcription(TRANSCRIPTION_ID, OTHER_WORKER, NOON, store, PROVENANCE)
    lease = Lease(
        transcription_id=TRANSCRIPTION_ID,
        attempt=2,
        worker_id=OTHER_WORKER,
        user_id=ANNA,
        requested_at=NOON,
    )
    await tables.grant(lease, LEASE_SECONDS)
    await taker.take(batch(succeeded(1), first_offset=1))
    assert (await state_of(store)).status == "processing"
    assert tables.leased_to(OTHER_WORKER) == [lease]


@pytest.mark.parametrize("permanent", [False, True])
async def test_reports_of_a_worker_that_does_not_hold_the_attempt_are_void(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore, *, permanent: bool
) -> None:
    await assigned(store, tables)
    before, leased = list(store), tables.leased_to(WORKER)
    progress = ProgressReported(
        worker_id=OTHER_WORKER,
        transcription_id=TRANSCRIPTION_ID,
        attempt=1,
        done_seconds=80.0,
        total_seconds=90.0,
    )
    lies = [replace(each, worker_id=OTHER_WORKER) for each in (succeeded(), faulted(permanent=permanent))]
    await taker.take(batch(progress, *lies))
    assert list(store) == before
    assert tables.leased_to(WORKER) == leased
    assert tables.progress == {}
    await taker.take(batch(succeeded(), first_offset=3))
    assert (await state_of(store)).status == "completed"


async def test_a_transcript_in_the_place_of_another_user_is_a_fault_and_the_third_is_the_last(
    taker: ReportTaker,
    tables: MemoryDispatchTables,
    store: InMemoryEventStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await transcription_queued(store)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        await start_transcription(TRANSCRIPTION_ID, WORKER, NOON, store, PROVENANCE)
        misplaced = replace(succeeded(attempt), result=result(user_id=BERT))
        await taker.take(batch(misplaced, first_offset=attempt))
    [*_, failed] = await store.read_stream(TRANSCRIPTION.stream_id(TRANSCRIPTION_ID))
    assert isinstance(failed, TranscriptionFailed)
    assert failed.reason == "transcript_misplaced"
    assert await quota_of(store) == (60, 0, 0)
    assert tables.leases == {}
    assert str(BERT) not in caplog.text
    assert str(TRANSCRIPTION_ID) in caplog.text


async def test_a_report_about_nothing_stops_nothing(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(succeeded(transcription_id=identity("nobody's")), succeeded()))
    assert (await state_of(store)).status == "completed"


async def test_progress_of_a_batch_is_that_of_its_last_report(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    reports = [
        ProgressReported(
            worker_id=WORKER,
            transcription_id=TRANSCRIPTION_ID,
            attempt=1,
            done_seconds=seconds,
            total_seconds=90.0,
        )
        for seconds in (9.0, 18.0, 45.0)
    ]
    await taker.take(batch(*reports))
    assert tables.progress == {TRANSCRIPTION_ID: (1, 45.0, 50)}


async def test_no_finished_window_of_a_batch_is_lost(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    """Each is named in one report alone."""
    await assigned(store, tables)
    reports = [
        ProgressReported(
            worker_id=WORKER,
            transcription_id=TRANSCRIPTION_ID,
            attempt=1,
            done_seconds=30.0 * (index + 1),
            total_seconds=90.0,
            windows=(FinishedWindow(index=index, start_ms=0, end_ms=1, key=f"cut/{index}.json"),),
        )
        for index in range(3)
    ]
    await taker.take(batch(*reports))
    assert sorted(tables.windows) == [(TRANSCRIPTION_ID, index) for index in range(3)]


async def test_the_last_word_of_a_worker_counts(taker: ReportTaker, tables: MemoryDispatchTables) -> None:
    await taker.take(batch(ready(), WorkerLeaving(worker_id=WORKER)))
    assert tables.workers == {}
    await taker.take(batch(WorkerLeaving(worker_id=WORKER), ready(), first_offset=2))
    assert list(tables.workers) == [WORKER]


async def test_what_a_worker_held_that_is_gone_is_overdue_and_the_worker_forgotten(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(ready((TRANSCRIPTION_ID, 1)), WorkerGone(worker_id=WORKER)))
    assert tables.workers == {}
    assert await tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_what_a_worker_finished_before_it_was_gone_counts(store: InMemoryEventStore) -> None:
    overdue_at_outcome: list[AttemptKey] = []

    class Watched(MemoryDispatchTables):
        async def end(self, ended: AttemptKey, worker_id: UUID | None = None) -> None:
            overdue_at_outcome.extend(await self.overdue(LEASE_SECONDS, []))
            await super().end(ended, worker_id)

    watched = Watched(store, MovedClock())
    await assigned(store, watched)
    taker = ReportTaker(watched, store, MovedClock(), LEASE_SECONDS, (OSError, VersionConflict))
    await taker.take(batch(succeeded(), WorkerGone(worker_id=WORKER)))
    assert overdue_at_outcome == []
    assert (await state_of(store)).status == "completed"


async def test_a_report_the_tables_refuse_does_not_stop_the_others(
    taker: ReportTaker, tables: MemoryDispatchTables
) -> None:
    tables.refused = OTHER_WORKER
    odd = WorkerReady(worker_id=OTHER_WORKER, engine="scripted", slots=2**40)
    await taker.take(batch(odd, ready()))
    assert list(tables.workers) == [WORKER]
    assert tables.offsets == {0: 2}


async def test_while_something_is_away_no_report_is_passed_over(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    tables.away = True
    with pytest.raises(ConnectionError):
        await taker.take(batch(succeeded()))
    assert tables.offsets == {}
    tables.away = False
    await taker.take(batch(succeeded()))
    assert (tables.offsets, tables.leases) == ({0: 1}, {})


async def test_a_long_reason_is_cut(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    report = AttemptFaulted(
        worker_id=WORKER, transcription_id=TRANSCRIPTION_ID, attempt=1, reason="x" * 9_999, permanent=True
    )
    await taker.take(batch(report))
    events = await store.read_stream(TRANSCRIPTION.stream_id(TRANSCRIPTION_ID))
    assert len(getattr(events[-1], "reason", "")) == 200


async def test_the_log_says_which_worker_reported(
    taker: ReportTaker, tables: MemoryDispatchTables, store: InMemoryEventStore
) -> None:
    await assigned(store, tables)
    await taker.take(batch(succeeded()))
    assert [*store][-1].actor == f"worker:{WORKER}"
    assert AttemptKey(TRANSCRIPTION_ID, 1) not in await tables.overdue(LEASE_SECONDS, [])
