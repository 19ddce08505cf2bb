"""Moments of the past as an auditor names them: a time, or the address of an event."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import click
from msgspec import Struct

from cli.audit import Connection, Heads, require_all
from cli.audit import recorded_at as recorded_at_of
from domain.log import Address, LogRecord
from infrastructure.mendable import Mendable

_ADDRESS: Final = re.compile(r"(\d{1,6}):(\d{1,18})", re.ASCII)


class NoSuchEvent(Mendable):
    """There is none at this address, or none any more."""


class Moment(Struct, frozen=True):
    """One of the two: a time, all that was recorded by then; or an address, all of its partition up to there."""

    at: datetime | None = None
    address: Address | None = None

    def includes(self, record: LogRecord) -> bool:
        """Of a record in the same partition. Everything before one that is not included is."""
        if self.address is not None:
            return record.seq <= self.address.seq
        assert self.at is not None
        return bool(record.recorded_at <= self.at)

    def __str__(self) -> str:
        return str(self.address) if self.at is None else self.at.isoformat()


def address_of(text: str) -> Address | None:
    """None of what is no address, or one with a number that no log has."""
    match = _ADDRESS.fullmatch(text)
    return Address(int(match[1]), int(match[2])) if match else None


def moment_of(text: str) -> Moment:
    """A time without an offset is UTC. Raises ValueError."""
    if address := address_of(text):
        return Moment(address=address)
    at = datetime.fromisoformat(text)
    return Moment(at=at if at.tzinfo else at.replace(tzinfo=UTC))


class MomentType(click.ParamType[Moment]):
    name = "TIME|ADDRESS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Moment:
        try:
            return value if isinstance(value, Moment) else moment_of(value)
        except ValueError:
            told = "give a time such as 2026-11-27T12:00:00Z, or the address of an event such as 3:17"
            self.fail(f"{value!r} is neither a time nor an address: {told}", param, ctx)


MOMENT: Final = MomentType()


async def require_address(log: Connection, heads: Heads, address: Address) -> None:
    """Raises NoSuchEvent, or TableDetached where that cannot be known."""
    head = heads.get(address.partition)
    if head is None:
        await require_all(log)
        raise NoSuchEvent(f"there is no partition {address.partition}: the log has 0 to {max(heads)}")
    if not 1 <= address.seq <= head:
        raise NoSuchEvent(f"there is no event {address}: partition {address.partition} has 1 to {head}")


async def seq_by(log: Connection, partition: int, head: int, at: datetime, *, including: bool) -> int:
    """The last seq that was recorded by then, or before then; 0 where none was. Raises NoSuchEvent."""
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        recorded_at = await recorded_at_of(log, partition, middle)
        if recorded_at is None:
            raise missing(Address(partition, middle))
        if recorded_at < at or (including and recorded_at == at):
            low = middle
        else:
            high = middle - 1
    return low


def missing(address: Address) -> NoSuchEvent:
    return NoSuchEvent(f"event {address} is missing from the log: `stenolog events verify` tells more")
