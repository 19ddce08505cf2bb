"""Commands about one owner, decided one after the other: each on the state that the one before leaves."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from commands.streams import Known, StateCache, Streams, StreamState, Subject
from domain.errors import NotFound, NotOwner, Rejection
from domain.log import Address, Decision, Provenance, VersionConflict
from domain.ports import EventStore, EventStoreUnavailable, PartitionDetached

CONFLICT_SECONDS_MAX: Final = 5.0
"""For being decided again and again, since other processes were first."""
LINE_SECONDS_MAX: Final = 20.0
"""For waiting in line: more than a full line takes on a machine that is busy, and less than clients wait."""
PAUSE_SECONDS_MAX: Final = 0.005
TURN_COMMANDS_MAX: Final = 64
WAITING_MAX: Final = 1_000
"""In the line of one owner."""

Decide: TypeAlias = Callable[[Streams], Any]
"""What a command does with its streams. It is pure: it may be called again when others were first."""

_logger = logging.getLogger(__name__)


class TooManyAtOnce(Exception):
    """So many commands about one owner that this one found no turn by its deadline. It changed nothing."""

    def __init__(self) -> None:
        super().__init__("too much is being done at once for this user: nothing was changed")


@dataclass(eq=False, slots=True)
class Waiting:
    """A command in line. `is_alone` when it was in a turn that failed, and one of the turn's commands is to blame."""

    about: Collection[Subject]
    decide: Decide
    provenance: Provenance
    deadline: float
    answer: asyncio.Future[Address | None]
    is_in_hand: bool = False
    is_alone: bool = False


@dataclass(slots=True)
class Chain:
    """What a turn decides: every decision stands on those before it, and they are appended together or not at all."""

    owner_id: UUID
    states: dict[str, StreamState]
    decisions: list[Decision] = field(default_factory=list)
    decided: list[Waiting] = field(default_factory=list)
    unsure: list[tuple[Waiting, Exception | None]] = field(default_factory=list)
    """Refused, or found with nothing to do, on a state that is not stored yet: right once it is. Or not found."""

    def add(self, waiting: Waiting) -> None:
        streams = Streams(self.states)
        problem: Exception | None = None
        try:
            waiting.decide(streams)
        except Exception as refused:  # noqa: BLE001 - whatever it is, its caller gets it
            problem = refused
        appends = [] if problem else streams.appends(self.owner_id)
        if appends:
            self.states |= streams.left
            self.decisions.append(Decision(appends, _caused(waiting.provenance, streams.cause)))
            self.decided.append(waiting)
        elif self.decisions or isinstance(problem, NotFound):
            self.unsure.append((waiting, problem))
        else:
            _answer(waiting, problem)


class Turns:
    """One line for each owner, served by a task for as long as somebody waits in it.

    A turn takes what waits, up to TURN_COMMANDS_MAX: it reads all streams in one round trip, decides one command
    after the other, and appends what they decided as one chain. So the rate of one owner's commands does not hang
    on round trips, and among themselves they never conflict. Other processes may be first: then all is read and
    decided again, for CONFLICT_SECONDS_MAX from the first time on.
    """

    def __init__(
        self,
        states: StateCache,
        *,
        conflict_seconds_max: float = CONFLICT_SECONDS_MAX,
        line_seconds_max: float = LINE_SECONDS_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._states = states
        self._conflict_seconds_max = conflict_seconds_max
        self._line_seconds_max = line_seconds_max
        self._waiting_max = waiting_max
        self._lines: dict[UUID, deque[Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(
        self,
        store: EventStore,
        owner_id: UUID,
        about: Collection[Subject],
        decide: Decide,
        provenance: Provenance,
    ) -> Address | None:
        """The address of what was appended, None when nothing was. Raises what `decide` does, or TooManyAtOnce."""
        loop = asyncio.get_running_loop()
        line = self._lines.get(owner_id)
        if line is not None and len(line) >= self._waiting_max:
            raise TooManyAtOnce
        deadline = loop.time() + self._line_seconds_max
        waiting = Waiting(about, decide, provenance, deadline, loop.create_future())
        if line is None:
            line = self._lines[owner_id] = deque()
            self._serve(store, owner_id)
        line.append(waiting)
        timer = loop.call_at(deadline, _expire, waiting)
        try:
            return await waiting.answer
        finally:
            timer.cancel()

    def _serve(self, store: EventStore, owner_id: UUID) -> None:
        task = asyncio.create_task(self._serve_line(store, owner_id), name=f"turns of {owner_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_line(self, store: EventStore, owner_id: UUID) -> None:
        line = self._lines[owner_id]
        turn: list[Waiting] = []
        try:
            while turn := _next_turn(line):
                await self._take_turn(store, owner_id, turn, line)
        finally:
            del self._lines[owner_id]
            for waiting in (*turn, *line):
                _answer(waiting, EventStoreUnavailable("the process is ending"))

    async def _take_turn(
        self, store: EventStore, owner_id: UUID, turn: Sequence[Waiting], line: deque[Waiting]
    ) -> None:
        """Answers everybody in the turn, or puts them back at the front of the line."""
        try:
            await self._decide(store, owner_id, turn)
        except VersionConflict:
            # What is known of the streams stays: it is held against the log whenever it is read on.
            self._hurry(turn)
            _put_back(turn, line)
            # Jitter, so that rivals do not meet again at once; short, or who lost would lose again.
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS_MAX))  # noqa: S311
        except EventStoreUnavailable as problem:
            _answer_all(turn, problem)
        except Exception as problem:  # noqa: BLE001 - as above, and the line goes on
            if len(turn) == 1:
                _answer(turn[0], problem)
                return
            _logger.warning("one of %d commands cannot be carried out: each alone", len(turn))
            for waiting in turn:
                waiting.is_alone = True
            _put_back(turn, line)

    def _hurry(self, turn: Sequence[Waiting]) -> None:
        """From its first conflict on a command has less time."""
        until = asyncio.get_running_loop().time() + self._conflict_seconds_max
        for waiting in turn:
            waiting.deadline = min(waiting.deadline, until)

    async def _decide(self, store: EventStore, owner_id: UUID, turn: Sequence[Waiting]) -> None:
        known = await self._states.read(
            store, [subject for each in turn for subject in each.about], owner_id
        )
        chain = Chain(owner_id, _states_of(known))
        for waiting in turn:
            if (
                not waiting.answer.done()
            ):  # Else its caller gave up, and what it was to do may be undone by now.
                chain.add(waiting)
        addresses = await store.append_chain(chain.decisions) if chain.decisions else []
        for waiting, address in zip(chain.decided, addresses, strict=True):
            _answer(waiting, address)
        for waiting, problem in chain.unsure:
            _answer(waiting, await self._explained(store, waiting, problem))

    async def _explained(
        self, store: EventStore, waiting: Waiting, problem: Exception | None
    ) -> Exception | None:
        """What is not found among the owner's streams may be somebody else's: then that is said."""
        if not isinstance(problem, NotFound):
            return problem
        try:
            waiting.decide(Streams(_states_of(await self._states.read(store, waiting.about, None))))
        except NotOwner as refused:
            return refused
        except (Rejection, PartitionDetached):
            """Not the owner's in any case."""
        return problem


def _caused(provenance: Provenance, cause: UUID | None) -> Provenance:
    return provenance if cause is None else msgspec.structs.replace(provenance, causation_id=cause)


def _states_of(known: Mapping[str, Known]) -> dict[str, StreamState]:
    return {
        stream_id: StreamState(each.head.version, each.state, each.head.event_id)
        for stream_id, each in known.items()
    }


def _next_turn(line: deque[Waiting]) -> list[Waiting]:
    """In the order of arrival; empty when nobody waits any more."""
    turn: list[Waiting] = []
    while line and len(turn) < TURN_COMMANDS_MAX and not (turn and (turn[0].is_alone or line[0].is_alone)):
        waiting = line.popleft()
        if not waiting.answer.done():
            waiting.is_in_hand = True
            turn.append(waiting)
    return turn


def _put_back(turn: Sequence[Waiting], line: deque[Waiting]) -> None:
    """Those who have no answer yet; whose deadline has passed is told so."""
    now = asyncio.get_running_loop().time()
    for waiting in reversed(turn):
        waiting.is_in_hand = False
        if now >= waiting.deadline:
            _answer(waiting, TooManyAtOnce())
        elif not waiting.answer.done():
            line.appendleft(waiting)


def _expire(waiting: Waiting) -> None:
    """One that is in hand has its answer soon; nobody could say now what it will be."""
    if not waiting.is_in_hand:
        _answer(waiting, TooManyAtOnce())


def _answer_all(turn: Sequence[Waiting], problem: Exception) -> None:
    for waiting in turn:
        _answer(waiting, problem)


def _answer(waiting: Waiting, answer: Address | Exception | None) -> None:
    if waiting.answer.done():
        return
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)
