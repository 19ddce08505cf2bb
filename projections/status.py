"""`python -m projections status`: where every projection stands, for people and for programs."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from projections.lag import Lag

_COLUMNS: Final = ("projection", "partition", "seq", "head", "lag", "state", "failing event")


def as_table(lags: Sequence[Lag]) -> str:
    lines = [_COLUMNS, *map(_cells, lags)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_row(line, widths) for line in lines)


def as_json_lines(lags: Iterable[Lag]) -> str:
    """One object a line; `failing` is null, or says which event it is, why, since when and how often tried."""
    return "\n".join(msgspec.json.encode(_fields(lag)).decode() for lag in lags)


def _cells(lag: Lag) -> tuple[str, ...]:
    behind = f"{lag.lag_events:,}"
    if lag.lag_events:
        behind += f" ({lag.lag_seconds:.0f} s)"
    return (
        lag.projection,
        str(lag.partition),
        f"{lag.seq:,}",
        f"{lag.head:,}",
        behind,
        lag.state,
        str(lag.failing or ""),
    )


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _fields(lag: Lag) -> dict[str, object]:
    failing = lag.failing
    return {
        "projection": lag.projection,
        "partition": lag.partition,
        "seq": lag.seq,
        "head": lag.head,
        "lag_events": lag.lag_events,
        "lag_seconds": round(lag.lag_seconds, 3),
        "state": lag.state,
        "failing": failing and {**msgspec.structs.asdict(failing), "address": str(failing.address)},
    }
