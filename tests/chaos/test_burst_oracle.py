"""The oracle sees when a crowd was answered wrongly."""

from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from domain.events import Event
from domain.log import LogRecord
from domain.quota import QuotaGranted, QuotaReleased, QuotaReserved
from tests.builders import ANNA, NOON
from tests.chaos.burst_oracle import check_bursts
from tests.chaos.ledger import Burst, Command
from tests.infrastructure.kafka.messages import record

FREE_MINUTES = 2


def asked(*statuses: int | None) -> list[Command]:
    return [Command(kind="request", request_id=uuid4(), status=status) for status in statuses]


def burst(*commands: Command, known_seq: int = 1, calm: bool = False) -> Burst:
    return Burst(
        owner_id=ANNA,
        calm=calm,
        known_seq=known_seq,
        file_count=len(commands),
        command_count=len(commands),
        commands=list(commands),
    )


def granted() -> LogRecord:
    event = QuotaGranted(user_id=ANNA, grant_id=UUID(int=1), minutes=FREE_MINUTES, granted_at=NOON)
    return record(1, event=event)


def reserved(seq: int, command: Command) -> LogRecord:
    event: Event = QuotaReserved(
        user_id=ANNA, transcription_id=command.request_id, minutes=1, reserved_at=NOON
    )
    return replace(record(seq, event=event), request_id=str(command.request_id))


def released(seq: int, command: Command) -> LogRecord:
    return record(
        seq,
        event=QuotaReleased(user_id=ANNA, transcription_id=command.request_id, minutes=1, released_at=NOON),
    )


def violations(bursts: list[Burst], *log: LogRecord) -> list[str]:
    return [violation for each in check_bursts(bursts, {0: list(log)}) for violation in each.violations]


def test_a_burst_that_gets_what_the_quota_holds_is_fine() -> None:
    first, second, *refused = commands = asked(202, 202, 402, 409)
    log = granted(), reserved(2, first), reserved(3, second)
    assert not violations([burst(*commands, calm=True)], *log)
    assert refused


@pytest.mark.parametrize("status", [500, 502, 504, 404, 200])
def test_an_answer_that_is_none_of_what_was_asked_for_is_found(status: int) -> None:
    assert violations([burst(*asked(status))], granted())


@pytest.mark.parametrize(
    "statuses",
    [(202, 402), (202, 202, 202), (202, 202, 503), (202, 202, None)],
    ids=["too few", "too many", "put off", "unanswered"],
)
def test_in_calm_what_is_not_exact_is_found(statuses: tuple[int | None, ...]) -> None:
    commands = asked(*statuses)
    accepted = [each for each in commands if each.status == 202]
    log = [granted(), *(reserved(seq, each) for seq, each in enumerate(accepted[:FREE_MINUTES], start=2))]
    assert violations([burst(*commands, calm=True)], *log)


def test_in_calm_who_is_put_off_and_comes_back_is_counted_by_the_last_answer() -> None:
    put_off, first, second, refused = asked(503, 202, 202, 402)
    log = granted(), reserved(2, first), reserved(3, second)
    three = replace(burst(put_off, first, second, refused, calm=True), command_count=3)
    assert not violations([three], *log)
    assert violations([replace(three, command_count=4)], *log)


def test_in_calm_who_was_accepted_without_being_told_is_refused_on_coming_back() -> None:
    unsaid, told, again, refused = asked(503, 202, 409, 402)
    log = granted(), reserved(2, unsaid), reserved(3, told)
    three = replace(burst(unsaid, told, again, refused, calm=True), command_count=3)
    assert not violations([three], *log)
    assert violations([three], *log[:2])


def test_in_calm_no_file_is_transcribed_twice() -> None:
    first, second = commands = asked(202, 202)
    twice = replace(burst(*commands, calm=True), file_count=1)
    assert violations([twice], granted(), reserved(2, first), reserved(3, second))


def test_under_fire_some_may_be_put_off() -> None:
    assert not violations([burst(*asked(503, None, 409))], granted())


def test_who_is_refused_although_minutes_are_left_is_found() -> None:
    first, refused = asked(202, 402)
    assert violations([burst(first, refused)], granted(), reserved(2, first))


def test_who_is_refused_for_what_came_later_is_found() -> None:
    """The quota was empty in the end, but not while this was asked for."""
    first, refused = asked(202, 402)
    (later,) = asked(202)
    bursts = [burst(first, refused), burst(later, known_seq=2)]
    assert violations(bursts, granted(), reserved(2, first), reserved(3, later))


def test_who_is_refused_for_what_had_been_given_back_is_found() -> None:
    first, second = asked(202, 202)
    (refused,) = asked(402)
    log = granted(), reserved(2, first), reserved(3, second), released(4, first), released(5, second)
    assert violations([burst(first, second), burst(refused, known_seq=5)], *log)
    assert not violations([burst(first, second), burst(refused, known_seq=3)], *log)


def test_what_an_unanswered_command_of_before_took_may_be_the_reason() -> None:
    (late,) = asked(None)
    first, refused = asked(202, 402)
    log = granted(), reserved(2, first), reserved(3, late)
    assert not violations([burst(late), burst(first, refused)], *log)
