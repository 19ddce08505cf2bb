"""What every handler does: decide about its streams when it is its turn, and append to all of them or to none."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Generic
from uuid import UUID
from weakref import WeakKeyDictionary

from commands.streams import StateCache, Subject
from commands.turns import Decide, Turns
from domain.decider import Command, Decider, Event, State
from domain.errors import StaleAttempt
from domain.log import Address, Provenance, StreamAppend
from domain.ports import EventStore
from domain.transcription import TRANSCRIPTION


class Desk:
    """Where a process decides about one event store: what it knows of its streams, and who is next."""

    def __init__(self) -> None:
        self.states = StateCache()
        self.turns = Turns(self.states)


_DESKS: Final[WeakKeyDictionary[EventStore, Desk]] = WeakKeyDictionary()
"""One for each store, so that all who decide about it in this process stand in the same lines."""


def desk_of(store: EventStore) -> Desk:
    desk = _DESKS.get(store)
    if desk is None:
        desk = _DESKS[store] = Desk()
    return desk


async def execute(
    store: EventStore, owner_id: UUID, about: Collection[Subject], decide: Decide, provenance: Provenance
) -> Address | None:
    """Runs `decide` on the present state of its streams, and appends all that it decides or nothing.

    The answer is the address of the last event, None when nothing changes. `decide` may run again when somebody else
    was first. Raises what it raises; TooManyAtOnce, and nothing was changed; or EventStoreUnavailable, and it is not
    known whether something was.
    """
    return await desk_of(store).turns.take(store, owner_id, about, decide, provenance)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Command, State, Event]):
    """A stream as it was read: its state, and the version a decision about it holds for."""

    decider: Decider[Command, State, Event]
    stream_id: str
    version: int
    state: State

    def decide(self, command: Command, owner_id: UUID) -> StreamAppend:
        """The events of this command, to append; raises the decider's Rejection."""
        events = self.decider.decide(command, self.state)
        return StreamAppend(
            stream_id=self.stream_id,
            owner_id=owner_id,
            expected_version=self.version,
            events=events,  # type: ignore[arg-type]  # every decider's events are in domain.events.Event
        )


async def load(
    store: EventStore, decider: Decider[Command, State, Event], identity: UUID, owner_id: UUID | None
) -> Loaded[Command, State, Event]:
    """The present state, outside of any turn: for what is decided without appending. None is for whose it is not known."""
    found = await desk_of(store).states.read(store, [(decider, identity)], owner_id)
    [(stream_id, known)] = found.items()
    return Loaded(decider, stream_id, known.head.version, known.state)


async def last_event_of(
    store: EventStore, decider: Decider[Command, State, Event], identity: UUID, owner_id: UUID
) -> UUID | None:
    """For whoever answers that event in other streams."""
    found = await desk_of(store).states.read(store, [(decider, identity)], owner_id)
    [known] = found.values()
    return known.head.event_id


async def owner_of(store: EventStore, transcription_id: UUID, attempt: int) -> UUID:
    """Whose transcription an attempt belongs to, which never changes. Raises StaleAttempt for one nobody requested."""
    transcription = desk_of(store).states.glance(TRANSCRIPTION, transcription_id)
    if transcription.user_id is None:
        transcription = (await load(store, TRANSCRIPTION, transcription_id, None)).state
    if transcription.user_id is None:
        raise StaleAttempt(attempt, transcription.attempt, transcription.status)
    return transcription.user_id
