"""How far each projection is behind the log, and at which event one stands still."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from asyncpg import Record
from msgspec import Struct

from domain.log import Address
from infrastructure.postgres.pool import Connection
from infrastructure.postgres.queries import load_queries
from projections.batches import EVERY_PROJECTION

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class FailingEvent(Struct, frozen=True):
    """Holds nothing personal: `error` names what went wrong, not the values it went wrong with."""

    address: Address
    type: str
    error: str
    since: datetime
    tries: int

    def __str__(self) -> str:
        return f"event {self.address} ({self.type}): {self.error}"


class Lag(Struct, frozen=True):
    """One projection in one partition; `lag_seconds` is the age of the oldest event it has not folded, or 0."""

    projection: str
    partition: int
    began: bool
    seq: int
    head: int
    lag_seconds: float
    failing: FailingEvent | None = None

    @property
    def lag_events(self) -> int:
        return max(self.head - self.seq, 0)

    @property
    def state(self) -> Literal["fails", "behind", "reached"]:
        if self.failing is not None:
            return "fails"
        return "behind" if self.lag_events else "reached"


async def read_lags(connection: Connection, projections: Sequence[str]) -> list[Lag]:
    """Of these projections and of every other that has begun, by name and partition."""
    rows = await connection.fetch(_SQL["lags"], projections, EVERY_PROJECTION)
    return [_lag(row) for row in rows]


def _lag(row: Record) -> Lag:
    return Lag(
        projection=row["projection"],
        partition=row["partition"],
        began=row["began"],
        seq=row["seq"],
        head=row["head"],
        lag_seconds=row["lag_seconds"],
        failing=None if row["failing_seq"] is None else _failing_event(row),
    )


def _failing_event(row: Record) -> FailingEvent:
    return FailingEvent(
        address=Address(row["partition"], row["failing_seq"]),
        type=row["failing_type"],
        error=row["error"],
        since=row["since"],
        tries=row["tries"],
    )
