"""Who is connected, how many may be, and which connection makes room for a new one."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import IntEnum, auto
from operator import itemgetter
from typing import Final, Protocol

from msgspec import Struct

STALLED_SECONDS: Final = 2.0
"""A body of which nothing came for so long makes room when there are too many requests."""


class Limits(Struct, frozen=True, kw_only=True):
    """What one API process grants its clients; times are between arrivals, not those of its own work."""

    connections: int = 8_192
    connections_per_source: int = 1_024
    requests: int = 1_000
    """Being answered at the same time; a connection has at most one."""
    head_seconds: float = 10.0
    """For a request line and all its headers, from the first byte or from the beginning of the connection."""
    idle_seconds: float = 75.0
    """Between two requests: longer than proxies keep a connection, so that it is they who end it."""
    drain_seconds: float = 30.0
    """For the rest of a body that was answered before it had come, so that the answer is not lost (RFC 9112, 9.6)."""
    write_seconds: float = 30.0
    """For the next piece of an answer to be taken."""
    head_bytes: int = 32 << 10
    headers: int = 100


class Phase(IntEnum):
    """What a connection is waiting for. In the first three there is no request in progress.

    Numbers, since a key of a dict that Python has to hash itself is looked up at each step of each connection.
    """

    HEAD = auto()
    DRAINING = auto()
    IDLE = auto()
    BODY = auto()
    ANSWER = auto()


class Member(Protocol):
    @property
    def is_awaited(self) -> bool:
        """Whether it is the client that is waited for, and not we who do not read on."""
        ...

    def cut(self) -> None:
        """Ends the connection now, in whatever phase it is."""
        ...

    def time_out(self) -> None:
        """Ends it with an answer, if one can be given."""
        ...


class _Line:
    """Members by phase, each phase in the order in which they last did something."""

    def __init__(self) -> None:
        self._since: dict[Phase, dict[Member, float]] = {phase: {} for phase in Phase}

    def put(self, member: Member, phase: Phase, now: float) -> None:
        self._since[phase][member] = now

    def drop(self, member: Member, phase: Phase) -> None:
        self._since[phase].pop(member, None)

    def closable(self) -> Member | None:
        """Of the silent and of those between two requests, from the larger group the one idle for longest.

        So a flood of either makes room for itself, and hardly touches the other.
        """
        heads, draining, idle = (self._since[phase] for phase in (Phase.HEAD, Phase.DRAINING, Phase.IDLE))
        groups = [heads] if len(heads) > len(draining) + len(idle) else [draining, idle]
        oldest = [next(iter(group.items())) for group in groups if group]
        return min(oldest, key=itemgetter(1))[0] if oldest else None

    def waiting(self, phase: Phase, since: float) -> Iterator[Member]:
        """Those in whose phase nothing has happened after `since`, the oldest first."""
        for member, began in self._since[phase].items():
            if began > since:
                return
            yield member


class Crowd:
    """Everybody connected. Nothing here takes longer for more of them."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._everybody = _Line()
        self._lines: dict[str, _Line] = {}
        self._counts: Counter[str] = Counter()
        self._places: dict[Member, tuple[str, Phase]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def admit(self, member: Member, source: str) -> None:
        """Makes room first. Where nobody can go, as all have requests in progress, the newcomer itself is cut."""
        if self._counts[source] >= self._limits.connections_per_source:
            room = self._cut(self._lines[source].closable())
        elif len(self) >= self._limits.connections:
            room = self._cut(self._everybody.closable())
        else:
            room = True
        if not room:
            member.cut()
            return
        self._counts[source] += 1
        self._lines.setdefault(source, _Line())
        self._put(member, source, Phase.HEAD)

    def move(self, member: Member, phase: Phase) -> None:
        """Also to the phase in which it is: then something has happened in it."""
        place = self._places.get(member)
        if place is not None:
            self._drop(member, *place)
            self._put(member, place[0], phase)

    def leave(self, member: Member) -> None:
        place = self._places.pop(member, None)
        if place is None:
            return
        self._drop(member, *place)
        source = place[0]
        self._counts[source] -= 1
        if not self._counts[source]:
            del self._counts[source], self._lines[source]

    def make_room_for_request(self) -> bool:
        """Whether a request could be ended whose body has stopped coming."""
        stalled = self._everybody.waiting(Phase.BODY, self._clock() - STALLED_SECONDS)
        member = next((member for member in stalled if member.is_awaited), None)
        if member is None:
            return False
        member.time_out()
        return True

    def sweep(self) -> None:
        """Ends whoever has overstayed; costs nothing while nobody has, and is to be called several times a second."""
        allowed = {
            Phase.HEAD: self._limits.head_seconds,
            Phase.DRAINING: self._limits.drain_seconds,
            Phase.IDLE: self._limits.idle_seconds,
        }
        now = self._clock()
        for phase, seconds in allowed.items():
            for member in list(self._everybody.waiting(phase, now - seconds)):
                if phase is Phase.HEAD:
                    member.time_out()
                else:
                    self._cut(member)

    def _cut(self, member: Member | None) -> bool:
        if member is None:
            return False
        self.leave(member)
        member.cut()
        return True

    def _put(self, member: Member, source: str, phase: Phase) -> None:
        now = self._clock()
        self._places[member] = source, phase
        self._everybody.put(member, phase, now)
        self._lines[source].put(member, phase, now)

    def _drop(self, member: Member, source: str, phase: Phase) -> None:
        self._everybody.drop(member, phase)
        self._lines[source].drop(member, phase)
