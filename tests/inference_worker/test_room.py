"""After its disk was full a worker waits before it takes another job, each time for longer."""

from inference_worker.room import CLOSED_FIRST_SECONDS, CLOSED_SECONDS_MAX, Room


def test_a_full_disk_is_left_alone_for_a_while_and_then_tried_again() -> None:
    room = Room()
    assert not room.is_closed(0.0)
    assert room.close(0.0) == CLOSED_FIRST_SECONDS
    assert room.is_closed(CLOSED_FIRST_SECONDS - 0.1)
    assert not room.is_closed(CLOSED_FIRST_SECONDS)


def test_jobs_that_found_it_full_at_once_count_once() -> None:
    room = Room()
    room.close(0.0)
    assert room.close(1.0) == CLOSED_FIRST_SECONDS - 1.0


def test_each_pause_is_longer_up_to_a_limit() -> None:
    room, now, pauses = Room(), 0.0, []
    for _ in range(6):
        pauses.append(room.close(now))
        now += pauses[-1]
    assert pauses == [5.0, 10.0, 20.0, 40.0, CLOSED_SECONDS_MAX, CLOSED_SECONDS_MAX]


def test_once_a_job_has_found_room_pauses_are_short_again() -> None:
    room = Room()
    room.close(0.0)
    room.is_there(1.0)  # It began before.
    assert room.is_closed(2.0)
    assert room.close(10.0) == 2 * CLOSED_FIRST_SECONDS
    room.is_there(30.0)
    assert room.close(30.0) == CLOSED_FIRST_SECONDS
