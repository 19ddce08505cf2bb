"""The queue holds what is queued or running, and nothing that has ended."""

from functools import reduce

import pytest

from dispatcher.queue import DispatchJob, project
from domain.attempts import HANDED_BACK, MOVED
from domain.events import Event
from tests.builders import (
    ANNA,
    WORKER,
    attempt_failed,
    cancelled,
    completed,
    edited,
    failed,
    requested,
    started,
)


def folded(*events: Event) -> DispatchJob | None:
    return reduce(project, events, None)


def queued(*events: Event) -> DispatchJob:
    row = folded(*events)
    assert row is not None
    return row


def test_a_requested_transcription_waits() -> None:
    row = queued(requested())
    assert (row.status, row.user_id, row.attempt, row.pause_seconds) == ("queued", ANNA, 0, 0.0)
    assert row.duration_seconds == 90.0


def test_a_started_one_runs_at_its_worker() -> None:
    row = queued(requested(), started())
    assert (row.status, row.worker_id, row.attempt) == ("running", WORKER, 1)


def test_after_a_failed_attempt_it_waits_again_and_longer_each_time() -> None:
    first = queued(requested(), started(), attempt_failed())
    assert (first.status, first.worker_id, first.attempt) == ("queued", None, 1)
    assert first.pause_seconds == 1.0
    second = queued(requested(), started(), attempt_failed(), started(2), attempt_failed(2))
    assert second.pause_seconds == 5.0


@pytest.mark.parametrize("reason", sorted(HANDED_BACK))
def test_what_was_handed_back_does_not_wait_longer_each_time(reason: str) -> None:
    handed_back = [(started(attempt), attempt_failed(attempt, reason=reason)) for attempt in range(1, 21)]
    row = queued(requested(), *(event for pair in handed_back for event in pair))
    assert row.pause_seconds == (0.0 if reason == MOVED else 1.0)


def test_what_has_ended_is_gone() -> None:
    ends: list[Event] = [completed(), failed(), cancelled(1)]
    for end in ends:
        assert folded(requested(), started(), end) is None


def test_what_comes_after_the_end_does_not_bring_it_back() -> None:
    assert folded(requested(), started(), completed(), edited()) is None


def test_a_transcription_requested_again_waits_anew() -> None:
    row = queued(requested(), started(), attempt_failed(), failed(), requested())
    assert (row.status, row.failures, row.attempt) == ("queued", 0, 0)
