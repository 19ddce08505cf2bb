"""Which job goes to which worker: fair between users, oldest first, never more than there is room for."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.pick import Assignment, FreeWorker, WaitingJob, pick
from tests.builders import ANNA, BERT, NOON, identity


def job(name: str, *, user: str = "anna", minute: int = 0, running: int = 0) -> WaitingJob:
    return WaitingJob(
        transcription_id=identity(name),
        user_id=identity(user),
        requested_at=NOON + timedelta(minutes=minute),
        running=running,
    )


def worker(name: str, free_slots: int = 1) -> FreeWorker:
    return FreeWorker(worker_id=identity(name), free_slots=free_slots)


def picked(assignments: list[Assignment]) -> list[object]:
    return [assignment.job.transcription_id for assignment in assignments]


def test_the_oldest_job_goes_first() -> None:
    jobs = [job("young", minute=2), job("old", minute=1)]
    assert picked(pick(jobs, [worker("w")])) == [identity("old")]


def test_a_user_with_nothing_running_goes_before_one_with_an_older_job() -> None:
    jobs = [job("old", minute=1, running=1), job("young", user="bert", minute=2)]
    assert picked(pick(jobs, [worker("w")])) == [identity("young")]


def test_users_take_turns_within_one_look() -> None:
    jobs = [job(f"anna {minute}", minute=minute) for minute in range(3)]
    jobs += [job("bert", user="bert", minute=9)]
    taken = pick(jobs, [worker("w", 2)])
    assert [assignment.job.user_id for assignment in taken] == [ANNA, BERT]


def test_jobs_go_to_the_worker_with_the_most_room() -> None:
    jobs = [job(str(number), minute=number) for number in range(3)]
    taken = pick(jobs, [worker("small", 1), worker("large", 3)])
    assert Counter(assignment.worker_id for assignment in taken)[identity("large")] >= 2


def test_nothing_goes_to_a_worker_without_room() -> None:
    assert pick([job("a")], [worker("w", 0)]) == []
    assert pick([job("a")], []) == []


JOBS = st.lists(
    st.builds(job, st.uuids().map(str), user=st.sampled_from("abc"), minute=st.integers(0, 5)),
    max_size=20,
    unique_by=lambda each: each.transcription_id,
)
WORKERS = st.lists(
    st.builds(worker, st.uuids().map(str), st.integers(0, 4)),
    max_size=5,
    unique_by=lambda each: each.worker_id,
)


@given(JOBS, WORKERS)
def test_no_slot_is_given_twice_and_none_is_left_while_a_job_waits(
    jobs: list[WaitingJob], workers: list[FreeWorker]
) -> None:
    taken = pick(jobs, workers)
    room = {each.worker_id: each.free_slots for each in workers}
    given_out = Counter(assignment.worker_id for assignment in taken)
    assert all(count <= room[worker_id] for worker_id, count in given_out.items())
    assert len(set(picked(taken))) == len(taken) == min(len(jobs), sum(room.values()))


@given(JOBS, WORKERS, st.dictionaries(st.sampled_from("abc"), st.integers(0, 4)))
def test_nobody_is_passed_over_who_has_less_running(
    jobs: list[WaitingJob], workers: list[FreeWorker], running: dict[str, int]
) -> None:
    before = {identity(user): count for user, count in running.items()}
    jobs = [_with_running(each, before.get(each.user_id, 0)) for each in jobs]
    taken = pick(jobs, workers)
    left = [each for each in jobs if each.transcription_id not in picked(taken)]
    now = Counter(assignment.job.user_id for assignment in taken)
    waiting = {each.user_id for each in left}
    for user_id in now:
        total = before.get(user_id, 0) + now[user_id]
        assert all(total <= before.get(other, 0) + now[other] + 1 for other in waiting)


@given(JOBS, WORKERS)
def test_the_jobs_of_one_user_go_in_their_order(jobs: list[WaitingJob], workers: list[FreeWorker]) -> None:
    taken = [assignment.job for assignment in pick(jobs, workers)]
    for user_id in {each.user_id for each in taken}:
        times = [each.requested_at for each in taken if each.user_id == user_id]
        assert times == sorted(times)


def _with_running(each: WaitingJob, running: int) -> WaitingJob:
    return WaitingJob(
        transcription_id=each.transcription_id,
        user_id=each.user_id,
        requested_at=each.requested_at,
        running=running,
    )
