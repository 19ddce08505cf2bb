"""Which job goes to which worker: fair between users, oldest first, never more than there is room for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.pick import Assignment, FreeWorker, WaitingJob, WaitingUser, advanced, charged, pick
from tests.builders import ANNA, BERT, NOON, identity


def user(
    name: str,
    *jobs: str,
    running: int = 0,
    finish_seconds: float = 0.0,
    arrival: int = 0,
    seconds: float = 60.0,
) -> WaitingUser:
    return WaitingUser(
        user_id=identity(name),
        running=running,
        finish_seconds=finish_seconds,
        arrival=arrival,
        jobs=[
            WaitingJob(transcription_id=identity(job), requested_at=NOON, charge_seconds=seconds)
            for job in jobs
        ],
    )


def worker(name: str, free_slots: int = 1, places_ahead: int = 0) -> FreeWorker:
    return FreeWorker(worker_id=identity(name), free_slots=free_slots, places_ahead=places_ahead)


def picked(assignments: list[Assignment]) -> list[object]:
    return [assignment.job.transcription_id for assignment in assignments]


def users_of(assignments: list[Assignment]) -> list[UUID]:
    return [assignment.user_id for assignment in assignments]


def test_the_oldest_job_of_a_user_goes_first() -> None:
    assert picked(pick([user("anna", "old", "young")], [worker("w")], 0.0)) == [identity("old")]


def test_a_user_with_nothing_running_goes_before_one_who_was_served_less() -> None:
    waiting = [user("anna", "a", running=1), user("bert", "b", finish_seconds=9_999.0)]
    assert picked(pick(waiting, [worker("w")], 0.0)) == [identity("b")]


def test_of_two_with_as_much_running_the_one_who_was_served_less_is_next() -> None:
    waiting = [
        user("anna", "a", finish_seconds=36_000.0),
        user("bert", "b", finish_seconds=40.0, arrival=9),
    ]
    assert picked(pick(waiting, [worker("w")], 0.0)) == [identity("b")]


def test_of_two_who_were_served_alike_the_one_who_waits_longer_is_next() -> None:
    waiting = [user("anna", "a", arrival=2), user("bert", "b", arrival=1)]
    assert picked(pick(waiting, [worker("w")], 0.0)) == [identity("b")]


def test_users_take_turns_within_one_look() -> None:
    waiting = [user("anna", "1", "2", "3"), user("bert", "4", arrival=9)]
    assert users_of(pick(waiting, [worker("w", 3)], 0.0)) == [ANNA, BERT, ANNA]


def test_what_is_given_within_one_look_is_charged_within_it() -> None:
    waiting = [
        user("anna", "1", "2", "3", seconds=3_600.0),
        user("bert", "4", "5", "6", finish_seconds=10.0, seconds=4.0),
    ]
    taken = users_of(pick(waiting, [worker("w", 5)], 0.0))
    assert taken == [ANNA, BERT, BERT, ANNA, BERT]


def test_service_that_was_missed_is_not_made_up_for() -> None:
    assert charged(100.0, 5_000.0, 60.0) == 5_060.0
    assert charged(7_000.0, 5_000.0, 60.0) == 7_060.0


def test_the_virtual_clock_goes_by_what_each_of_those_who_wait_could_have_had() -> None:
    assert advanced(100.0, 60.0, 3) == 120.0
    assert advanced(100.0, 60.0, 0) == 160.0
    assert advanced(100.0, 60.0, 1_000_000) == advanced(100.0, 60.0, 1_000)


def test_jobs_go_to_the_worker_with_the_most_room() -> None:
    taken = pick([user("anna", "1", "2", "3")], [worker("small", 1), worker("large", 3)], 0.0)
    assert Counter(assignment.worker_id for assignment in taken)[identity("large")] >= 2


def test_nothing_goes_to_a_worker_without_room() -> None:
    assert pick([user("anna", "a")], [worker("w", 0)], 0.0) == []
    assert pick([user("anna", "a")], [], 0.0) == []


@st.composite
def waiting_users(draw: st.DrawFn) -> list[WaitingUser]:
    names = draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=5))
    return [
        user(
            name,
            *(f"{name} {number}" for number in range(draw(st.integers(1, 6)))),
            running=draw(st.integers(0, 3)),
            finish_seconds=draw(st.floats(0, 1_000)),
            arrival=draw(st.integers(0, 9)),
            seconds=draw(st.floats(0, 1_000)),
        )
        for name in names
    ]


WORKERS = st.lists(
    st.builds(worker, st.uuids().map(str), st.integers(0, 4)),
    max_size=5,
    unique_by=lambda each: each.worker_id,
)


@given(waiting_users(), WORKERS)
def test_no_slot_is_given_twice_and_none_is_left_while_a_job_waits(
    waiting: list[WaitingUser], workers: list[FreeWorker]
) -> None:
    taken = pick(waiting, workers, 0.0)
    room = {each.worker_id: each.free_slots for each in workers}
    given_out = Counter(assignment.worker_id for assignment in taken)
    jobs = sum(len(each.jobs) for each in waiting)
    assert all(count <= room[worker_id] for worker_id, count in given_out.items())
    assert len(set(picked(taken))) == len(taken) == min(jobs, sum(room.values()))


@given(waiting_users(), WORKERS)
def test_nobody_is_passed_over_who_has_less_running(
    waiting: list[WaitingUser], workers: list[FreeWorker]
) -> None:
    taken = Counter(users_of(pick(waiting, workers, 0.0)))
    after = {each.user_id: each.running + taken[each.user_id] for each in waiting}
    left = [each.user_id for each in waiting if taken[each.user_id] < len(each.jobs)]
    assert all(after[served] <= after[other] + 1 for served in taken for other in left)


@given(waiting_users(), WORKERS, st.floats(0, 1_000))
def test_of_those_with_as_much_running_nobody_is_passed_over_who_was_served_less(
    waiting: list[WaitingUser], workers: list[FreeWorker], virtual_seconds: float
) -> None:
    running = {each.user_id: each.running for each in waiting}
    ends_at = {each.user_id: each.finish_seconds for each in waiting}
    left = {each.user_id: len(each.jobs) for each in waiting}
    for assignment in pick(waiting, workers, virtual_seconds):
        mine = assignment.user_id
        rivals = [other for other in left if left[other] and running[other] == running[mine]]
        assert ends_at[mine] == min(ends_at[other] for other in rivals)
        ends_at[mine] = charged(ends_at[mine], virtual_seconds, assignment.job.charge_seconds)
        running[mine] += 1
        left[mine] -= 1


@given(waiting_users(), WORKERS)
def test_the_jobs_of_one_user_go_in_their_order(
    waiting: list[WaitingUser], workers: list[FreeWorker]
) -> None:
    taken = pick(waiting, workers, 0.0)
    assert _by_user(taken) == {
        each.user_id: [job.transcription_id for job in each.jobs][: len(_by_user(taken)[each.user_id])]
        for each in waiting
        if each.user_id in _by_user(taken)
    }


def _by_user(taken: Sequence[Assignment]) -> Mapping[UUID, list[UUID]]:
    jobs: dict[UUID, list[UUID]] = {}
    for each in taken:
        jobs.setdefault(each.user_id, []).append(each.job.transcription_id)
    return jobs
