"""Who makes room for whom, without a socket."""

import pytest

from api.crowd import STALLED_SECONDS, Crowd, Limits, Phase
from api.source import source_of_peer

LIMITS = Limits(connections=10, connections_per_source=8)


class Time:
    now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


class Guest:
    def __init__(self, crowd: Crowd, source: str = "a", *phases: Phase) -> None:
        self.ended = ""
        self.is_awaited = True
        self.crowd = crowd
        crowd.admit(self, source)
        for phase in phases:
            crowd.move(self, phase)

    def cut(self) -> None:
        self.ended = "cut"

    def time_out(self) -> None:
        self.ended = "timed out"


def test_a_flood_of_silent_connections_leaves_those_that_ask_now_and_then() -> None:
    crowd = Crowd(LIMITS, Time())
    polling = Guest(crowd, "a", Phase.IDLE)
    silent = [Guest(crowd) for _ in range(1_000)]
    assert polling.ended == ""
    assert len(crowd) == LIMITS.connections_per_source
    assert [each.ended for each in silent[-7:]] == [""] * 7


def test_a_flood_of_connections_that_asked_once_leaves_the_one_that_begins() -> None:
    crowd = Crowd(LIMITS, Time())
    beginning = Guest(crowd)
    for _ in range(1_000):
        Guest(crowd, "a", Phase.ANSWER, Phase.IDLE)
    assert beginning.ended == ""


def test_a_source_makes_room_among_its_own() -> None:
    crowd = Crowd(LIMITS, Time())
    other = Guest(crowd, "b")
    first, *_ = [Guest(crowd, "a") for _ in range(9)]
    assert (first.ended, other.ended) == ("cut", "")


def test_everybody_makes_room_when_there_are_too_many_in_all() -> None:
    crowd = Crowd(LIMITS, Time())
    guests = [Guest(crowd, f"source {number}") for number in range(11)]
    assert [guest.ended for guest in guests] == ["cut"] + [""] * 10


def test_requests_in_progress_make_no_room() -> None:
    crowd = Crowd(LIMITS, Time())
    busy = [Guest(crowd, "a", phase) for phase in [Phase.BODY, Phase.ANSWER] * 4]
    assert Guest(crowd).ended == "cut"
    assert [guest.ended for guest in busy] == [""] * 8
    assert len(crowd) == 8


def test_a_body_makes_room_when_it_has_stopped_and_we_would_read_it() -> None:
    time = Time()
    crowd = Crowd(LIMITS, time)
    unread, stopped, moving = [Guest(crowd, "a", Phase.BODY) for _ in range(3)]
    unread.is_awaited = False
    assert not crowd.make_room_for_request()
    time.now += STALLED_SECONDS
    crowd.move(moving, Phase.BODY)
    assert crowd.make_room_for_request()
    assert [guest.ended for guest in (unread, stopped, moving)] == ["", "timed out", ""]


@pytest.mark.parametrize(
    ("phase", "seconds", "ended"),
    [
        (Phase.HEAD, LIMITS.head_seconds, "timed out"),
        (Phase.DRAINING, LIMITS.drain_seconds, "cut"),
        (Phase.IDLE, LIMITS.idle_seconds, "cut"),
        (Phase.ANSWER, 1e9, ""),
        (Phase.BODY, 1e9, ""),
    ],
)
def test_each_phase_has_its_time(phase: Phase, seconds: float, ended: str) -> None:
    time = Time()
    crowd = Crowd(LIMITS, time)
    guest = Guest(crowd, "a", phase)
    time.now += seconds - 1
    crowd.sweep()
    assert guest.ended == ""
    time.now += 2
    crowd.sweep()
    assert guest.ended == ended


def test_who_has_left_is_not_remembered() -> None:
    crowd = Crowd(LIMITS, Time())
    for number in range(100):
        guest = Guest(crowd, f"source {number}")
        crowd.leave(guest)
        crowd.leave(guest)
        crowd.move(guest, Phase.IDLE)
    assert len(crowd) == 0
    assert not crowd._lines


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
    ],
)
def test_a_source_is_an_address_or_what_one_customer_has_of_them(host: str, source: str) -> None:
    assert source_of_peer(host) == source
