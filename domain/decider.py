"""The shape every aggregate has: an initial state, a decision and an evolution."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar
from uuid import UUID

Command = TypeVar("Command")
State = TypeVar("State")
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Decider(Generic[Command, State, Event]):
    """One aggregate: `decide` turns a command into events or raises a Rejection, `evolve` applies one.

    Both are pure, so a decision may be run again after a version conflict.
    """

    category: str
    initial: State
    decide: Callable[[Command, State], list[Event]]
    evolve: Callable[[State, Event], State]

    def stream_id(self, identity: UUID) -> str:
        return f"{self.category}-{identity}"

    def fold(self, events: Iterable[Event], state: State | None = None) -> State:
        return reduce(self.evolve, events, self.initial if state is None else state)
