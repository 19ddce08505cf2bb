"""The looks of listeners at the read models and the log, each with the deadline of a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from api.database import Reading
from projections import live
from projections.live import Arrival, KnownWindows, Seen, Stretch, Touched


class Looks(Protocol):
    """The database as listeners need it, as in projections.live. Each may raise one of OUTAGES."""

    async def reached(self) -> Mapping[int, int]: ...

    async def touched(self, stretches: Sequence[Stretch]) -> Sequence[Touched]: ...

    async def recent(self, arrivals: Sequence[Arrival]) -> Sequence[tuple[int, UUID]]: ...

    async def seen(self, known: Mapping[UUID, KnownWindows]) -> Mapping[UUID, Seen]: ...


@dataclass(frozen=True, slots=True)
class DatabaseLooks:
    """Implements Looks."""

    reading: Reading

    async def reached(self) -> Mapping[int, int]:
        async with self.reading() as connection:
            return await live.reached(connection)

    async def touched(self, stretches: Sequence[Stretch]) -> Sequence[Touched]:
        async with self.reading() as connection:
            return await live.touched(connection, stretches)

    async def recent(self, arrivals: Sequence[Arrival]) -> Sequence[tuple[int, UUID]]:
        async with self.reading() as connection:
            return await live.recent(connection, arrivals)

    async def seen(self, known: Mapping[UUID, KnownWindows]) -> Mapping[UUID, Seen]:
        async with self.reading() as connection:
            return await live.seen(connection, known)
