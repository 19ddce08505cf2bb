"""`python -m projections status`: where every projection stands, for people and for programs."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from projections.standing import Standing

_COLUMNS: Final = ("projection", "partition", "seq", "head", "lag", "state", "failing event")


def as_table(standings: Sequence[Standing]) -> str:
    lines = [_COLUMNS, *map(_cells, standings)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_row(line, widths) for line in lines)


def as_json_lines(standings: Iterable[Standing]) -> str:
    """One object a line; `failing` is null, or says which event it is, why, since when and how often tried."""
    return "\n".join(msgspec.json.encode(_fields(standing)).decode() for standing in standings)


def _cells(standing: Standing) -> tuple[str, ...]:
    lag = f"{standing.lag_events:,}"
    if standing.lag_events:
        lag += f" ({standing.lag_seconds:.0f} s)"
    return (
        standing.projection,
        str(standing.partition),
        f"{standing.seq:,}",
        f"{standing.head:,}",
        lag,
        standing.state,
        str(standing.failing or ""),
    )


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _fields(standing: Standing) -> dict[str, object]:
    failing = standing.failing
    return {
        "projection": standing.projection,
        "partition": standing.partition,
        "seq": standing.seq,
        "head": standing.head,
        "lag_events": standing.lag_events,
        "lag_seconds": round(standing.lag_seconds, 3),
        "state": standing.state,
        "failing": failing and {**msgspec.structs.asdict(failing), "address": str(failing.address)},
    }
