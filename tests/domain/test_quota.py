"""Quota: reserved, then debited or released, never overspent, never leaking."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.errors import QuotaExceeded
from domain.quota import (
    QUOTA,
    DebitQuota,
    GrantQuota,
    QuotaCommand,
    QuotaDebited,
    QuotaEvent,
    QuotaGranted,
    QuotaReleased,
    QuotaReserved,
    ReleaseQuota,
    ReserveQuota,
    minutes_for,
)
from tests.builders import ANNA, NOON, TRANSCRIPTION, debited, granted, identity, released, reserved
from tests.domain.spec import given


def grant(minutes: int, name: str = "free minutes") -> GrantQuota:
    return GrantQuota(user_id=ANNA, grant_id=identity(name), minutes=minutes, granted_at=NOON)


def reserve(minutes: int, transcription_id: UUID = TRANSCRIPTION) -> ReserveQuota:
    return ReserveQuota(user_id=ANNA, transcription_id=transcription_id, minutes=minutes, reserved_at=NOON)


def debit(minutes: int | None = None, transcription_id: UUID = TRANSCRIPTION) -> DebitQuota:
    return DebitQuota(user_id=ANNA, transcription_id=transcription_id, minutes=minutes, debited_at=NOON)


def release(transcription_id: UUID = TRANSCRIPTION) -> ReleaseQuota:
    return ReleaseQuota(user_id=ANNA, transcription_id=transcription_id, released_at=NOON)


def test_a_grant_adds_minutes_once() -> None:
    given(QUOTA).when(grant(60)).then(granted(60))


def test_a_reservation_within_the_quota_is_held() -> None:
    given(QUOTA, granted(60)).when(reserve(45)).then(reserved(45))


def test_the_whole_quota_can_be_reserved() -> None:
    given(QUOTA, granted(60)).when(reserve(60)).then(reserved(60))


def test_a_reservation_above_what_is_left_is_rejected() -> None:
    given(QUOTA, granted(60)).when(reserve(61)).then_rejected(QuotaExceeded)


def test_reserved_minutes_are_not_left_for_others() -> None:
    other = identity("other")
    given(QUOTA, granted(60), reserved(45)).when(reserve(16, other)).then_rejected(QuotaExceeded)


def test_a_completed_transcription_is_debited_once() -> None:
    given(QUOTA, granted(60), reserved(45)).when(debit()).then(debited(45))


def test_of_a_recording_that_decodes_in_part_only_that_part_is_debited_and_the_rest_is_released() -> None:
    given(QUOTA, granted(60), reserved(45)).when(debit(20)).then(debited(20), released(25))


def test_what_was_reserved_is_the_most_that_is_debited() -> None:
    given(QUOTA, granted(60), reserved(45)).when(debit(46)).then(debited(45))


def test_no_debit_is_negative() -> None:
    given(QUOTA, granted(60), reserved(45)).when(debit(-1)).then(debited(0), released(45))


def test_a_debit_in_part_is_made_once() -> None:
    given(QUOTA, granted(60), reserved(45), debited(20), released(25)).when(debit(20)).then_nothing()


def test_minutes_that_a_debit_in_part_has_released_can_be_reserved_again() -> None:
    other = identity("other")
    history = (granted(60), reserved(45), debited(20), released(25))
    given(QUOTA, *history).when(reserve(40, other)).then(reserved(40, transcription_id=other))


def test_released_minutes_are_available_again() -> None:
    history = (granted(60), reserved(45), released(45))
    given(QUOTA, *history).when(reserve(60)).then(reserved(60))


def test_a_release_after_the_debit_changes_nothing() -> None:
    given(QUOTA, granted(60), reserved(45), debited(45)).when(release()).then_nothing()


def test_a_debit_after_the_release_changes_nothing() -> None:
    given(QUOTA, granted(60), reserved(45), released(45)).when(debit()).then_nothing()


def test_minutes_are_rounded_up_and_never_zero() -> None:
    assert [minutes_for(seconds) for seconds in (0.2, 59.9, 60.0, 60.1, 3600.0)] == [1, 1, 1, 2, 60]


TRANSCRIPTIONS = [identity(f"transcription {number}") for number in range(5)]


class QuotaMachine(RuleBasedStateMachine):
    """Any commands in any order, repeated at will: the books balance at every moment."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[QuotaEvent] = []

    def execute(self, command: QuotaCommand) -> None:
        try:
            self.history += QUOTA.decide(command, QUOTA.fold(self.history))
        except QuotaExceeded:
            available = QUOTA.fold(self.history).minutes_available
            assert isinstance(command, ReserveQuota)
            assert command.minutes > available

    @rule(minutes=st.integers(0, 90), number=st.integers(0, 2))
    def grants(self, minutes: int, number: int) -> None:
        self.execute(grant(minutes, f"grant {number}"))

    @rule(minutes=st.integers(1, 60), transcription_id=st.sampled_from(TRANSCRIPTIONS))
    def reserves(self, minutes: int, transcription_id: UUID) -> None:
        self.execute(reserve(minutes, transcription_id))

    @rule(
        minutes=st.none() | st.integers(-1, 61),
        transcription_id=st.sampled_from(TRANSCRIPTIONS),
    )
    def debits(self, minutes: int | None, transcription_id: UUID) -> None:
        self.execute(debit(minutes, transcription_id))

    @rule(transcription_id=st.sampled_from(TRANSCRIPTIONS))
    def releases(self, transcription_id: UUID) -> None:
        self.execute(release(transcription_id))

    @invariant()
    def granted_is_available_and_reserved_and_debited(self) -> None:
        state = QUOTA.fold(self.history)
        granted_minutes = sum(e.minutes for e in self.history if isinstance(e, QuotaGranted))
        debited_minutes = sum(e.minutes for e in self.history if isinstance(e, QuotaDebited))
        assert state.minutes_granted == granted_minutes
        assert state.minutes_debited == debited_minutes
        assert granted_minutes == state.minutes_available + state.minutes_reserved + debited_minutes

    @invariant()
    def nothing_is_overspent(self) -> None:
        assert QUOTA.fold(self.history).minutes_available >= 0

    @invariant()
    def every_reserved_minute_is_held_or_debited_or_released_once(self) -> None:
        minutes: Counter[str] = Counter()
        for event in self.history:
            minutes[type(event).__name__] += event.minutes
        settled = minutes["QuotaDebited"] + minutes["QuotaReleased"]
        assert settled + QUOTA.fold(self.history).minutes_reserved == minutes["QuotaReserved"]

    @invariant()
    def no_reservation_is_debited_twice(self) -> None:
        counts = Counter((type(event), event.transcription_id) for event in self.about_transcriptions())
        for transcription_id in TRANSCRIPTIONS:
            assert counts[QuotaDebited, transcription_id] <= counts[QuotaReserved, transcription_id]

    def about_transcriptions(self) -> Iterator[QuotaReserved | QuotaDebited | QuotaReleased]:
        return (event for event in self.history if not isinstance(event, QuotaGranted))


QuotaMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_the_books_balance_whatever_happens = QuotaMachine.TestCase
