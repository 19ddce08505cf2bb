"""A worker sits an outage of the object store out within the attempt, and hands a long one back."""

from math import inf
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.attempts import OBJECT_STORE_AWAY, WORKER_STOPPED
from domain.transcription_events import Job
from inference_worker.job import Workplace
from infrastructure.object_store.folder import FolderObjectStore
from infrastructure.object_store.patient import Patience
from schemas.messages import AttemptFaulted, AttemptSucceeded, ProgressReported, WorkerGone, WorkerLeaving
from tests.inference_worker.assignments import assigned, store_tone, withdrawn
from tests.inference_worker.fake_engine import FakeEngine
from tests.inference_worker.test_worker import Running, at_work
from tests.infrastructure.object_store.away import AwayStore

QUICK = Patience(pause_seconds=0.001, pause_seconds_max=0.01)
SHORT = Patience(seconds_max=0.05, pause_seconds=0.001, pause_seconds_max=0.002)
LONG = Patience(pause_seconds=3600.0, pause_seconds_max=3600.0)
EVERYWHERE = ["fetch", "get", "put", "put_file"]
"""Reading the recording, reading windows, writing windows and the transcript."""


@pytest.fixture
async def job(store: FolderObjectStore, tmp_path: Path) -> Job:
    return await store_tone(store, tmp_path, seconds=30.0)


@pytest.fixture
def away(store: FolderObjectStore) -> AwayStore:
    return AwayStore(store)


def patient(place: Workplace, away: AwayStore, patience: Patience) -> Workplace:
    return replace(place, store=away, patience=patience)


async def wait_in(running: Running, away: AwayStore, job: Job) -> None:
    """Has the worker begin, and meet an outage without end."""
    away.failures = inf
    running.inbox.put(assigned(job))
    await running.until(lambda: away.failed and running.in_hand())


@pytest.mark.parametrize("method", EVERYWHERE)
async def test_a_short_outage_costs_no_attempt(
    place: Workplace, away: AwayStore, job: Job, method: str
) -> None:
    away.only, away.failures = frozenset({method}), 5
    engine = FakeEngine()
    async with at_work(patient(place, away, QUICK), engine) as running:
        running.inbox.put(assigned(job))
        assert isinstance(await running.outcome(), AttemptSucceeded)
    assert away.failed == 5
    assert engine.windows == [0, 1, 2]


@pytest.mark.parametrize("method", EVERYWHERE)
async def test_an_attempt_is_handed_back_when_patience_ends(
    place: Workplace, away: AwayStore, job: Job, method: str
) -> None:
    away.only, away.failures = frozenset({method}), inf
    async with at_work(patient(place, away, SHORT), FakeEngine()) as running:
        running.inbox.put(assigned(job))
        outcome = await running.outcome()
        assert isinstance(outcome, AttemptFaulted)
        assert (outcome.reason, outcome.permanent) == (OBJECT_STORE_AWAY, False)
        away.failures = 0
        running.inbox.put(assigned(job, 2))
        assert isinstance(await running.outcome(2), AttemptSucceeded)


async def test_the_lease_is_renewed_while_the_store_is_away(
    place: Workplace, away: AwayStore, job: Job
) -> None:
    async with at_work(patient(place, away, QUICK), FakeEngine()) as running:
        await wait_in(running, away, job)
        await running.until(lambda: len(running.outbox.of(ProgressReported)) >= 3)
        away.failures = 0
        assert isinstance(await running.outcome(), AttemptSucceeded)


async def test_an_attempt_withdrawn_during_an_outage_stops_at_once(
    place: Workplace, away: AwayStore, job: Job
) -> None:
    async with at_work(patient(place, away, LONG), FakeEngine()) as running:
        await wait_in(running, away, job)
        running.inbox.put(withdrawn())
        await running.until(lambda: running.in_hand() == ())
        assert not running.outbox.of(AttemptFaulted)


async def test_a_worker_told_to_end_during_an_outage_hands_its_attempt_back(
    place: Workplace, away: AwayStore, job: Job
) -> None:
    async with at_work(patient(place, away, LONG), FakeEngine()) as running:
        await wait_in(running, away, job)
        await running.stop()
        leaving, handed_back, gone = running.outbox.sent[-3:]
        assert isinstance(leaving, WorkerLeaving)
        assert isinstance(handed_back, AttemptFaulted)
        assert handed_back.reason == WORKER_STOPPED
        assert isinstance(gone, WorkerGone)
