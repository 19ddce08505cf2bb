"""The streams that commands are about: their states, read on from where they were known, and what is decided on them."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from domain.decider import Decider
from domain.log import StreamAppend, StreamHead, StreamTail
from domain.ports import EventStore, EventStoreUnavailable
from domain.snapshots import Snapshot
from schemas.snapshots import CATEGORIES, DamagedSnapshot, OtherRules, snapshot_of, state_of

STATES_MAX: Final = 10_000
"""A state takes about a kilobyte."""
EVENTS_AT_ONCE: Final = 1_000
"""Read and folded in one go: a few milliseconds, so that a long stream keeps nobody else waiting."""

SNAPSHOT_EVERY: Final = 1_000
"""Events between two snapshots of a stream: so many are read and folded at the most after one."""

_logger = logging.getLogger(__name__)

State = TypeVar("State")
Event = TypeVar("Event")
Command = TypeVar("Command")

Subject: TypeAlias = tuple[Decider[Any, Any, Any], UUID]
"""A stream that a command is about: whose rules, and whose."""


@dataclass(frozen=True, slots=True)
class Known:
    """A stream up to its head, folded; `kept` is the version of the last snapshot of it that is known."""

    decider: Decider[Any, Any, Any]
    head: StreamHead
    state: Any
    kept: int = 0

    def read_on(self, tail: StreamTail) -> "Known":
        """From the beginning when what was known is not in the log any more."""
        if tail.after != self.head:
            return replace(self, head=tail.head, state=self.decider.fold(tail.events), kept=0)
        return replace(self, head=tail.head, state=self.decider.fold(tail.events, self.state))

    def or_later(self, snapshot: Snapshot) -> "Known":
        """What the snapshot knows, where that is more and can be used. Whether the log has its head the next read says."""
        try:
            state = state_of(self.decider, snapshot)
        except OtherRules:
            return self
        except DamagedSnapshot as problem:
            _logger.warning("%s: it is passed over, and written anew", problem)
            return self
        if snapshot.head.version <= self.head.version:
            return replace(self, kept=snapshot.head.version)
        return replace(self, head=snapshot.head, state=state, kept=snapshot.head.version)

    @property
    def is_due(self) -> bool:
        return self.decider.category in CATEGORIES and self.head.version >= self.kept + SNAPSHOT_EVERY


class StateCache:
    """The states of the streams used last. What is in it was read from the log, and is read on before each use.

    So a stream is read once, and then only what is new in it. A state is never older than the read before it, and
    one whose events are not in the log any more, after a failover that lost commits, is folded anew: its last
    event's id is compared each time.

    In a stream that turns out to be long it goes on from a snapshot, and now and then writes one while nobody waits.
    """

    def __init__(self, states_max: int = STATES_MAX) -> None:
        self._states_max = states_max
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._keeping: asyncio.Task[None] | None = None

    def glance(self, decider: Decider[Command, State, Event], identity: UUID) -> State:
        """What is known without a look: good for what never changes once it is there."""
        known = self._known.get(decider.stream_id(identity))
        state: State = decider.initial if known is None else known.state
        return state

    async def read(
        self, store: EventStore, subjects: Iterable[Subject], owner_id: UUID | None
    ) -> Mapping[str, Known]:
        """The present states, by stream: one round trip unless much is new.

        What is not of `owner_id` is as if it were not there; with None whose they are does not matter.
        """
        known = {
            decider.stream_id(identity): self._recall(decider, identity) for decider, identity in subjects
        }
        is_complete = await _read_on(store, known, owner_id)
        if not is_complete:
            await _skip_ahead(store, known)
        while not is_complete:
            is_complete = await _read_on(store, known, owner_id)
        self._keep(store, known)
        self._remember(known)
        return known

    def _keep(self, store: EventStore, known: dict[str, Known]) -> None:
        """Snapshots of what was just read from the log, one after the other; what is due meanwhile is due the next time."""
        due = [(stream_id, each) for stream_id, each in known.items() if each.is_due]
        if due and (self._keeping is None or self._keeping.done()):
            known |= {stream_id: replace(each, kept=each.head.version) for stream_id, each in due}
            self._keeping = asyncio.create_task(_write_snapshots(store, dict(due)), name="snapshots")

    def _recall(self, decider: Decider[Any, Any, Any], identity: UUID) -> Known:
        known = self._known.get(decider.stream_id(identity))
        return known or Known(decider, StreamHead(), decider.initial)

    def _remember(self, known: Mapping[str, Known]) -> None:
        for stream_id, each in known.items():
            if each.head.version:
                self._known[stream_id] = each
                self._known.move_to_end(stream_id)
        while len(self._known) > self._states_max:
            self._known.popitem(last=False)


async def _read_on(store: EventStore, known: dict[str, Known], owner_id: UUID | None) -> bool:
    """Whether that was all there is."""
    heads = {stream_id: each.head for stream_id, each in known.items()}
    tails = await store.read_streams(heads, EVENTS_AT_ONCE, owner_id)
    for stream_id, tail in tails.items():
        known[stream_id] = known[stream_id].read_on(tail)
    return sum(len(tail.events) for tail in tails.values()) < EVENTS_AT_ONCE


async def _skip_ahead(store: EventStore, known: dict[str, Known]) -> None:
    """To the snapshots of those that are there: only a long stream is worth the round trip."""
    wanted = [
        stream_id
        for stream_id, each in known.items()
        if each.decider.category in CATEGORIES and each.head.version
    ]
    for stream_id, snapshot in (await store.read_snapshots(wanted)).items() if wanted else ():
        known[stream_id] = known[stream_id].or_later(snapshot)


async def _write_snapshots(store: EventStore, due: Mapping[str, Known]) -> None:
    """Nothing hangs on it: what fails is logged, and tried again after as many events."""
    for stream_id, each in due.items():
        try:
            await store.write_snapshot(snapshot_of(each.decider, stream_id, each.head, each.state))
        except (EventStoreUnavailable, DamagedSnapshot) as problem:
            _logger.warning("no snapshot of a stream at version %d: %s", each.head.version, problem)
        except Exception:
            _logger.exception("no snapshot of a stream at version %d", each.head.version)


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as the decisions before left it: its version and state, stored or about to be.

    `event_id` is that of its last event, once that is stored.
    """

    version: int
    state: Any
    event_id: UUID | None = None


class Streams:
    """The streams as one command finds them; what it decides is collected here, and applies to what it decides next."""

    def __init__(self, found: Mapping[str, StreamState]) -> None:
        self._found = found
        self._left: dict[str, StreamState] = {}
        self._decided: dict[str, list[Any]] = {}
        self.cause: UUID | None = None
        """The event because of which this is decided, if there is one and it is known."""

    def state(self, decider: Decider[Command, State, Event], identity: UUID) -> State:
        state: State = self._state_of(decider.stream_id(identity)).state
        return state

    def decide(
        self, decider: Decider[Command, State, Event], identity: UUID, command: Command
    ) -> Sequence[Event]:
        """The events of this command, which are to be appended; raises the decider's Rejection."""
        stream_id = decider.stream_id(identity)
        found = self._state_of(stream_id)
        events = decider.decide(command, found.state)
        if events:
            self._decided.setdefault(stream_id, []).extend(events)
            state = decider.fold(events, found.state)
            self._left[stream_id] = StreamState(found.version + len(events), state)
        return events

    def answer(self, decider: Decider[Any, Any, Any], identity: UUID) -> None:
        """What is decided is the answer to the last event of this stream."""
        self.cause = self._state_of(decider.stream_id(identity)).event_id

    @property
    def left(self) -> Mapping[str, StreamState]:
        """The streams that were changed, as the next command finds them."""
        return self._left

    def appends(self, owner_id: UUID) -> list[StreamAppend]:
        return [
            StreamAppend(
                stream_id=stream_id,
                owner_id=owner_id,
                expected_version=self._found[stream_id].version,
                events=events,
            )
            for stream_id, events in self._decided.items()
        ]

    def _state_of(self, stream_id: str) -> StreamState:
        return self._left.get(stream_id) or self._found[stream_id]
