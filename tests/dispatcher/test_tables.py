"""The dispatcher's tables keep one contract, in memory and in PostgreSQL."""

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from dispatcher.pick import WaitingJob
from dispatcher.ports import AttemptKey, Lease
from dispatcher.tables import percentage_of
from schemas.messages import FinishedWindow, ProgressReported, WorkerReady
from tests.builders import (
    ANNA,
    BERT,
    NOON,
    OTHER_WORKER,
    WORKER,
    attempt_failed,
    cancelled,
    identity,
    requested,
    started,
)
from tests.builders import TRANSCRIPTION as TRANSCRIPTION_ID
from tests.dispatcher.rigs import Rig

LEASE_SECONDS = 30.0
SILENCE_SECONDS = 6.0


def ready(
    *running: tuple[UUID, int],
    worker_id: UUID = WORKER,
    slots: int = 1,
    ahead: int = 0,
    waiting: tuple[tuple[UUID, int], ...] = (),
) -> WorkerReady:
    return WorkerReady(
        worker_id=worker_id, engine="scripted", slots=slots, ahead=ahead, running=running, waiting=waiting
    )


def lease(
    attempt: int = 1,
    *,
    transcription_id: UUID = TRANSCRIPTION_ID,
    worker_id: UUID = WORKER,
    user_id: UUID = ANNA,
) -> Lease:
    return Lease(
        transcription_id=transcription_id,
        attempt=attempt,
        worker_id=worker_id,
        user_id=user_id,
        requested_at=NOON,
    )


def progress(done_seconds: float, *, attempt: int = 1, worker_id: UUID = WORKER) -> ProgressReported:
    return ProgressReported(
        worker_id=worker_id,
        transcription_id=TRANSCRIPTION_ID,
        attempt=attempt,
        done_seconds=done_seconds,
        total_seconds=100.0,
    )


async def test_what_there_is_to_look_after_is_told_apart(rig: Rig) -> None:
    async def told() -> tuple[bool, bool, bool]:
        there = await rig.tables.outstanding()
        return there.held, there.queued, there.ahead

    assert await told() == (False, False, False)
    await rig.queue(requested())
    assert await told() == (False, True, False)
    await rig.queue(started())
    assert await told() == (True, False, False)
    await rig.tables.grant(lease(), LEASE_SECONDS)
    attempt = (TRANSCRIPTION_ID, 1)
    await rig.tables.announce([ready(attempt, waiting=(attempt,))], LEASE_SECONDS)
    assert await told() == (True, False, True)
    await rig.queue(cancelled())
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert await told() == (False, False, False)


async def test_a_worker_has_room_for_what_it_holds_no_lease_of(rig: Rig) -> None:
    await rig.tables.announce([ready(slots=2)], LEASE_SECONDS)
    await rig.tables.grant(lease(), LEASE_SECONDS)
    [free] = await rig.tables.free_workers(SILENCE_SECONDS)
    assert (free.worker_id, free.free_slots) == (WORKER, 1)
    await rig.tables.grant(lease(transcription_id=identity("another")), LEASE_SECONDS)
    assert await rig.tables.free_workers(SILENCE_SECONDS) == []


async def test_a_worker_has_a_place_ahead_only_if_it_said_so_of_what_it_holds(rig: Rig) -> None:
    first, second = (TRANSCRIPTION_ID, 1), (identity("another"), 1)

    async def places() -> list[tuple[int, int]]:
        free = await rig.tables.free_workers(SILENCE_SECONDS)
        return [(each.free_slots, each.places_ahead) for each in free]

    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.tables.announce([ready(first, ahead=1)], LEASE_SECONDS)
    assert await places() == [(0, 1)]
    await rig.tables.grant(lease(transcription_id=identity("another")), LEASE_SECONDS)
    assert await places() == []
    await rig.tables.end(AttemptKey(*first))
    assert await places() == []  # That it is nearly done was said of the first.
    await rig.tables.announce([ready(second, ahead=1)], LEASE_SECONDS)
    assert await places() == [(0, 1)]


async def test_what_waits_at_a_busy_worker_is_known_until_it_has_a_slot(rig: Rig) -> None:
    first, second = (TRANSCRIPTION_ID, 1), (identity("another"), 1)
    for transcription_id, _ in (first, second):
        await rig.tables.grant(lease(transcription_id=transcription_id), LEASE_SECONDS)
    assert await rig.tables.waiting_ahead(10) == []
    await rig.tables.announce([ready(first, second, waiting=(second,))], LEASE_SECONDS)
    assert await rig.tables.waiting_ahead(10) == [AttemptKey(*second)]
    await rig.tables.end(AttemptKey(*first))
    assert await rig.tables.waiting_ahead(10) == []


async def test_a_worker_that_fell_silent_has_no_room(rig: Rig) -> None:
    await rig.tables.announce([ready()], LEASE_SECONDS)
    await rig.pass_seconds(SILENCE_SECONDS + 1)
    assert await rig.tables.free_workers(SILENCE_SECONDS) == []
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert len(await rig.tables.free_workers(SILENCE_SECONDS)) == 1


async def test_a_worker_that_left_has_no_room(rig: Rig) -> None:
    await rig.tables.announce([ready()], LEASE_SECONDS)
    await rig.tables.dismiss([WORKER, OTHER_WORKER])
    assert await rig.tables.free_workers(SILENCE_SECONDS) == []


async def test_what_a_worker_held_that_is_gone_is_overdue_at_once(rig: Rig) -> None:
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.tables.grant(
        lease(transcription_id=identity("another"), worker_id=OTHER_WORKER), LEASE_SECONDS
    )
    await rig.tables.give_up([WORKER])
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]
    assert await rig.tables.overdue(LEASE_SECONDS, [], silence_counts=False) == [
        AttemptKey(TRANSCRIPTION_ID, 1)
    ]


async def test_queued_jobs_wait_until_they_have_a_lease(rig: Rig) -> None:
    await rig.queue(requested())
    [user] = await rig.tables.waiting_users(10, [])
    job = WaitingJob(transcription_id=TRANSCRIPTION_ID, requested_at=NOON, charge_seconds=90.0)
    assert (user.user_id, user.running, user.jobs) == (ANNA, 0, [job])
    assert await rig.tables.waiting_users(10, [TRANSCRIPTION_ID]) == []
    await rig.tables.grant(lease(), LEASE_SECONDS)
    assert await rig.tables.waiting_users(10, []) == []


async def test_running_jobs_do_not_wait(rig: Rig) -> None:
    await rig.queue(requested(), started())
    assert await rig.tables.waiting_users(10, []) == []
    await rig.queue(attempt_failed())
    await rig.pass_seconds(1)
    await rig.queue(started(2))
    assert await rig.tables.waiting_users(10, []) == []


async def test_a_job_that_waits_again_keeps_its_place_and_is_not_charged_again(rig: Rig) -> None:
    other = identity("other")
    await rig.queue(requested(), requested(transcription_id=other), started(), attempt_failed())
    await rig.pass_seconds(1)
    [user] = await rig.tables.waiting_users(10, [])
    assert [(job.transcription_id, job.charge_seconds) for job in user.jobs] == [
        (TRANSCRIPTION_ID, 0.0),
        (other, 90.0),
    ]
    [user] = await rig.tables.waiting_users(1, [])
    assert [job.transcription_id for job in user.jobs] == [TRANSCRIPTION_ID]


async def test_what_is_requested_again_waits_behind_what_came_meanwhile(rig: Rig) -> None:
    other, again = identity("other"), replace(requested(), requested_at=NOON + timedelta(seconds=1))
    await rig.queue(requested(), requested(transcription_id=other))
    await rig.queue(cancelled(), again)
    [user] = await rig.tables.waiting_users(10, [])
    assert [job.transcription_id for job in user.jobs] == [other, TRANSCRIPTION_ID]


AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize("wrong_by", [-AN_HOUR, AN_HOUR])
async def test_a_request_of_a_clock_that_is_wrong_by_an_hour_is_due_at_once_and_not_before_others(
    rig: Rig, wrong_by: timedelta
) -> None:
    first, second = identity("first"), identity("second")
    await rig.queue(requested(transcription_id=first))
    await rig.queue(
        replace(requested(transcription_id=second), requested_at=NOON + wrong_by),
    )
    [user] = await rig.tables.waiting_users(10, [])
    assert [job.transcription_id for job in user.jobs] == [first, second]


@pytest.mark.parametrize("wrong_by", [-AN_HOUR, AN_HOUR])
async def test_the_pause_after_a_failure_is_a_second_whatever_the_clock_of_the_dispatcher_says(
    rig: Rig, wrong_by: timedelta
) -> None:
    failed_at = (await rig.now()) + wrong_by
    await rig.queue(requested(), started(), replace(attempt_failed(), failed_at=failed_at))
    assert await rig.tables.waiting_users(10, []) == []
    await rig.pass_seconds(1)
    assert len(await rig.tables.waiting_users(10, [])) == 1


@pytest.mark.parametrize("wrong_by", [-AN_HOUR, AN_HOUR])
async def test_an_attempt_without_a_lease_has_its_time_whatever_the_clock_of_the_dispatcher_says(
    rig: Rig, wrong_by: timedelta
) -> None:
    await rig.queue(requested(), replace(started(), started_at=(await rig.now()) + wrong_by))
    assert await rig.tables.overdue(LEASE_SECONDS, []) == []
    await rig.pass_seconds(LEASE_SECONDS + 1)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_worker_that_was_seen_before_the_clock_was_set_back_is_there_once_it_is_heard_again(
    rig: Rig,
) -> None:
    await rig.tables.announce([ready()], LEASE_SECONDS)
    await rig.pass_seconds(-3600)
    assert await rig.tables.free_workers(SILENCE_SECONDS) == []
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert len(await rig.tables.free_workers(SILENCE_SECONDS)) == 1


async def test_a_job_that_was_queued_before_the_clock_was_set_back_is_due(rig: Rig) -> None:
    await rig.queue(requested())
    await rig.pass_seconds(-3600)
    assert len(await rig.tables.waiting_users(10, [])) == 1


async def test_a_lease_from_before_the_clock_was_set_back_holds_only_if_it_is_renewed(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(-3600)
    assert await rig.tables.overdue(LEASE_SECONDS, [], silence_counts=False) == []
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1))], LEASE_SECONDS)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == []


async def test_an_attempt_without_a_lease_from_before_the_clock_was_set_back_is_overdue(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.pass_seconds(-3600)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_job_says_how_much_of_its_user_is_running(rig: Rig) -> None:
    await rig.queue(requested())
    await rig.tables.grant(lease(transcription_id=identity("another")), LEASE_SECONDS)
    await rig.tables.grant(lease(transcription_id=identity("bert's"), user_id=BERT), LEASE_SECONDS)
    [user] = await rig.tables.waiting_users(10, [])
    assert user.running == 1


async def test_an_attempt_is_overdue_when_its_lease_has_run_out(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    assert AttemptKey(TRANSCRIPTION_ID, 1) not in await rig.tables.overdue(LEASE_SECONDS, [])
    await rig.pass_seconds(2)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]
    assert await rig.tables.overdue(LEASE_SECONDS, [], silence_counts=False) == []
    assert await rig.tables.overdue(LEASE_SECONDS, [TRANSCRIPTION_ID]) == []


async def test_an_attempt_without_a_lease_is_overdue_a_lease_after_its_start(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.pass_seconds(LEASE_SECONDS + 1)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_an_old_attempt_does_not_end_the_lease_of_a_new_one(rig: Rig) -> None:
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    await rig.tables.end(AttemptKey(TRANSCRIPTION_ID, 1))
    await rig.tables.grant(lease(1), LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 2)]
    await rig.tables.end(AttemptKey(TRANSCRIPTION_ID, 2), OTHER_WORKER)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 2)]
    await rig.tables.end(AttemptKey(TRANSCRIPTION_ID, 2), WORKER)
    assert await rig.leased() == []


async def test_a_worker_renews_the_leases_of_what_it_says_is_running(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1))], LEASE_SECONDS)
    await rig.pass_seconds(2)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == []


async def test_a_worker_does_not_renew_what_it_does_not_name_or_does_not_hold(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    await rig.tables.announce(
        [ready((TRANSCRIPTION_ID, 2)), ready((TRANSCRIPTION_ID, 1), worker_id=OTHER_WORKER)], LEASE_SECONDS
    )
    await rig.pass_seconds(2)
    assert await rig.tables.overdue(LEASE_SECONDS, []) == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_worker_makes_up_for_a_lease_that_was_never_written(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1), worker_id=OTHER_WORKER)], LEASE_SECONDS)
    assert await rig.leased() == []
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1))], LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_job_its_worker_never_received_stays_leased(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 1)]


async def test_a_cancelled_job_is_leased_until_its_worker_has_put_it_down(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.queue(cancelled(1, worker_id=WORKER))
    await rig.tables.announce([ready((TRANSCRIPTION_ID, 1))], LEASE_SECONDS)
    assert await rig.leased() == [AttemptKey(TRANSCRIPTION_ID, 1)]
    await rig.tables.announce([ready()], LEASE_SECONDS)
    assert await rig.leased() == []


async def test_a_job_requested_again_is_not_held_up_by_the_lease_from_before(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    again = replace(requested(), requested_at=NOON + timedelta(seconds=1))
    await rig.queue(cancelled(1, worker_id=WORKER), again)
    await rig.tables.announce([ready()], LEASE_SECONDS)
    await rig.pass_seconds(2)
    assert len(await rig.tables.waiting_users(10, [])) == 1


async def test_a_worker_that_offers_no_slot_is_given_nothing(rig: Rig) -> None:
    """Its disk is full, say."""
    await rig.tables.announce([replace(ready(), slots=1)], LEASE_SECONDS)
    assert len(await rig.tables.free_workers(30)) == 1
    await rig.tables.announce([replace(ready(), slots=0)], LEASE_SECONDS)
    assert await rig.tables.free_workers(30) == []


async def test_progress_goes_forward_and_renews_the_lease(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.pass_seconds(LEASE_SECONDS - 1)
    await rig.tables.note_progress([progress(30)], LEASE_SECONDS)
    await rig.tables.note_progress([progress(20)], LEASE_SECONDS)
    await rig.pass_seconds(2)
    assert await rig.percentage() == 30
    assert await rig.tables.overdue(LEASE_SECONDS, []) == []


async def test_progress_of_another_attempt_or_worker_counts_for_nothing(rig: Rig) -> None:
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    await rig.tables.note_progress([progress(30), progress(40, attempt=2, worker_id=OTHER_WORKER)], 30)
    assert await rig.percentage() is None
    await rig.tables.note_progress([progress(10, attempt=2)], LEASE_SECONDS)
    assert await rig.percentage() == 10


async def test_progress_never_goes_back_when_a_new_attempt_begins_behind_the_last_one(rig: Rig) -> None:
    await rig.tables.grant(lease(1), LEASE_SECONDS)
    await rig.tables.note_progress([progress(90)], LEASE_SECONDS)
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    shown = []
    for done_seconds in (0, 28, 91):
        await rig.tables.note_progress([progress(done_seconds, attempt=2)], LEASE_SECONDS)
        shown.append(await rig.percentage())
    assert shown == [90, 90, 91]


async def test_a_new_request_starts_its_progress_anew(rig: Rig) -> None:
    await rig.tables.grant(lease(1), LEASE_SECONDS)
    await rig.tables.note_progress([progress(90)], LEASE_SECONDS)
    again = replace(lease(2), requested_at=NOON + timedelta(seconds=1))
    await rig.tables.grant(again, LEASE_SECONDS)
    await rig.tables.note_progress([progress(28, attempt=2)], LEASE_SECONDS)
    assert await rig.percentage() == 28


def finished(*windows: tuple[int, str], attempt: int = 1, worker_id: UUID = WORKER) -> ProgressReported:
    named = tuple(
        FinishedWindow(index=index, start_ms=0, end_ms=1, key=f"{cut}/{index}.json")
        for index, cut in windows
    )
    return replace(progress(30, attempt=attempt, worker_id=worker_id), windows=named)


async def test_finished_windows_are_noted_once_and_renamed_by_the_next_attempt(rig: Rig) -> None:
    await rig.tables.grant(lease(1), LEASE_SECONDS)
    await rig.tables.note_progress([finished((0, "a"), (1, "a"))], LEASE_SECONDS)
    await rig.tables.note_progress([finished((1, "a"), (2, "a"))], LEASE_SECONDS)
    assert await rig.finished() == [(1, 0, "a/0.json"), (1, 1, "a/1.json"), (1, 2, "a/2.json")]
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    await rig.tables.note_progress([finished((0, "b"), attempt=2)], LEASE_SECONDS)
    assert await rig.finished() == [(1, 1, "a/1.json"), (1, 2, "a/2.json"), (2, 0, "b/0.json")]


async def test_windows_of_another_attempt_or_worker_count_for_nothing(rig: Rig) -> None:
    await rig.tables.grant(lease(2), LEASE_SECONDS)
    void = [finished((0, "a")), finished((0, "a"), attempt=2, worker_id=OTHER_WORKER)]
    await rig.tables.note_progress(void, LEASE_SECONDS)
    assert await rig.finished() == []


async def test_windows_are_kept_for_as_long_as_their_request_is_under_way(rig: Rig) -> None:
    await rig.queue(requested(), started())
    await rig.tables.grant(lease(), LEASE_SECONDS)
    await rig.tables.note_progress([finished((0, "a"))], LEASE_SECONDS)
    await rig.tables.drop_windows()
    assert len(await rig.finished()) == 1
    await rig.queue(cancelled())
    await rig.tables.drop_windows()
    assert await rig.finished() == []


async def test_offsets_are_kept(rig: Rig) -> None:
    await rig.tables.keep_offsets({0: 5, 1: 7})
    await rig.tables.keep_offsets({1: 8})
    assert await rig.tables.report_offsets() == {0: 5, 1: 8}


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [(0, 10, 0), (5, 10, 50), (10, 10, 99), (11, 10, 99), (-1, 10, 0), (1, 0, 0), (1, -1, 0)],
)
def test_nothing_unfinished_is_shown_as_finished(done: float, total: float, shown: int) -> None:
    assert percentage_of(done, total) == shown
