"""Given some events, when a command comes, then these events follow, or this rejection."""

from dataclasses import dataclass
from typing import Generic

import pytest

from domain.decider import Command, Decider, Event, State
from domain.errors import Rejection


@dataclass(frozen=True)
class Decision(Generic[Command, State, Event]):
    decider: Decider[Command, State, Event]
    history: tuple[Event, ...]
    command: Command

    def then(self, *expected: Event) -> None:
        """The command yields these events, and the same command once more changes nothing."""
        self.then_once(*expected)
        again = self.decider.fold((*self.history, *expected))
        assert self.decider.decide(self.command, again) == []

    def then_once(self, *expected: Event) -> None:
        """The command yields these events; said of commands whose repetition is refused."""
        assert self.decider.decide(self.command, self.decider.fold(self.history)) == [*expected]

    def then_nothing(self) -> None:
        self.then()

    def then_rejected(self, reason: type[Rejection]) -> None:
        with pytest.raises(reason):
            self.decider.decide(self.command, self.decider.fold(self.history))


@dataclass(frozen=True)
class History(Generic[Command, State, Event]):
    decider: Decider[Command, State, Event]
    events: tuple[Event, ...]

    def when(self, command: Command) -> Decision[Command, State, Event]:
        return Decision(self.decider, self.events, command)


def given(decider: Decider[Command, State, Event], *events: Event) -> History[Command, State, Event]:
    return History(decider, events)
