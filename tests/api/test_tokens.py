"""Tokens that were found good are remembered for a while, and never for longer than they are good."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from api.tokens import LEEWAY_SECONDS, VERIFIED_SECONDS, VERIFIED_TOKENS_MAX, NotAuthenticated, Tokens
from tests.builders import ANNA, BERT

SECRET = "a secret that only this test knows, and nobody else"


class Clock:
    """The calendar and the monotonic clock, of which either can be moved alone."""

    def __init__(self) -> None:
        self.calendar = datetime.now(UTC).timestamp()
        self.monotonic = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.calendar, UTC)

    def pass_by(self, seconds: float) -> None:
        self.calendar += seconds
        self.monotonic += seconds


class Watched(Tokens):
    """Tells which tokens it looked at."""

    def __init__(self, clock: Clock, lifetime_seconds: int = 3600) -> None:
        super().__init__(SECRET, lifetime_seconds, clock, lambda: clock.calendar, lambda: clock.monotonic)
        self.looks: list[str] = []

    def _claims(self, token: str) -> dict[str, Any]:
        self.looks.append(token)
        return super()._claims(token)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_token_that_was_found_good_is_not_looked_at_again_for_a_while(clock: Clock) -> None:
    tokens = Watched(clock)
    token = tokens.issue(ANNA)
    assert {tokens.verify(token) for _ in range(10)} == {ANNA}
    assert tokens.looks == [token]
    clock.pass_by(VERIFIED_SECONDS)
    assert tokens.verify(token) == ANNA
    assert tokens.looks == [token, token]


def test_a_clock_that_is_set_back_prolongs_nothing(clock: Clock) -> None:
    tokens = Watched(clock)
    token = tokens.issue(ANNA)
    tokens.verify(token)
    clock.calendar -= 10
    clock.monotonic += VERIFIED_SECONDS
    tokens.verify(token)
    assert tokens.looks == [token, token]


def test_a_remembered_token_expires_when_it_says(clock: Clock) -> None:
    tokens = Watched(clock, lifetime_seconds=-LEEWAY_SECONDS + 30)
    token = tokens.issue(ANNA)
    tokens.verify(token)
    clock.pass_by(29)
    tokens.verify(token)
    assert tokens.looks == [token]
    clock.pass_by(2)
    tokens.verify(token)  # pyjwt asks the machine's own calendar, by which it is good.
    assert tokens.looks == [token, token]


def test_an_expired_token_is_refused_each_time() -> None:
    clock = Clock()
    clock.calendar -= 3600
    tokens = Watched(clock, lifetime_seconds=60)
    token = tokens.issue(ANNA)
    for _ in range(2):
        with pytest.raises(NotAuthenticated, match="expired"):
            tokens.verify(token)


def test_a_token_that_differs_in_one_character_is_another_one(clock: Clock) -> None:
    tokens = Watched(clock)
    token = tokens.issue(ANNA)
    tokens.verify(token)
    head, payload, signature = token.split(".")
    theirs = tokens.issue(BERT).split(".")[1]
    for forged in (
        f"{head}.{theirs}.{signature}",
        f"{head}.{payload}.{signature[::-1]}",
        token[:-2],
        token + "é",
    ):
        with pytest.raises(NotAuthenticated):
            tokens.verify(forged)
    assert tokens.verify(token) == ANNA


def test_what_is_not_good_is_looked_at_each_time(clock: Clock) -> None:
    tokens = Watched(clock)
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            tokens.verify("no.token.atall")
    assert len(tokens.looks) == 2


def test_only_so_many_tokens_are_remembered_and_the_oldest_go(clock: Clock) -> None:
    tokens = Watched(clock)
    issued = [tokens.issue(UUID(int=number)) for number in range(VERIFIED_TOKENS_MAX + 1)]
    for token in issued:
        tokens.verify(token)
    tokens.looks.clear()
    tokens.verify(issued[1])
    assert tokens.looks == []
    tokens.verify(issued[0])
    assert tokens.looks == [issued[0]]


def test_the_secret_of_another_process_makes_no_good_tokens(clock: Clock) -> None:
    theirs = Tokens("another secret, just as long as it needs to be", 3600, clock).issue(ANNA)
    with pytest.raises(NotAuthenticated):
        Watched(clock).verify(theirs)


def test_a_lone_surrogate_is_no_token(clock: Clock) -> None:
    with pytest.raises(NotAuthenticated):
        Watched(clock).verify("a.b.\udcff")
