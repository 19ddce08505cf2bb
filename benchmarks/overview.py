"""Everything that one run found in one table, to be read and to be kept in docs/benchmarks.md."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.machine import machine
from benchmarks.measure import RESULTS, Measurement, Report, shown
from benchmarks.memory import MIB

HEADS: Final = ("benchmark", "situation", "ours", "compared with", "ratio", "to reach", "")
PATH: Final = RESULTS / "overview.md"


class Run(Struct, frozen=True):
    """One benchmark, how long it took, what memory it and its processes had at most, and why it failed if it did."""

    name: str
    seconds: float
    memory_bytes: int
    load_before: float
    failure: str | None = None


def write_overview(runs: Sequence[Run], began_at: datetime) -> None:
    """Writes `benchmarks/results/overview.md` and says where it is."""
    minutes = sum(run.seconds for run in runs) / 60
    text = "\n".join(
        [
            f"{began_at:%d %B %Y, %H:%M} UTC, {minutes:.0f} minutes: {machine()}.",
            "",
            *_table(HEADS, [row for report in _reports(began_at) for row in _rows(report)]),
            "",
            *_table(("benchmark", "seconds", "most memory, MiB", "load before", ""), map(_run_row, runs)),
        ]
    )
    PATH.write_text(text + "\n", encoding="utf-8")
    print(
        f"\n{minutes:.1f} minutes in all; everything in one table: {PATH.relative_to(RESULTS.parent.parent)}"
    )


def _reports(began_at: datetime) -> list[Report]:
    """Those of this run, in its order."""
    read = [msgspec.json.decode(path.read_bytes(), type=Report) for path in RESULTS.glob("*.json")]
    return sorted(
        (each for each in read if each.measured_at >= began_at.replace(microsecond=0)),
        key=lambda each: each.measured_at,
    )


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    for each in report.measurements:
        yield (
            report.benchmark,
            each.situation,
            f"{shown(each.ours)} {each.unit}",
            ", ".join(f"{peer} {shown(figure)}" for peer, figure in each.peers.items()),
            ", ".join(f"{each.ratio(peer):.2f} × {peer}" for peer in each.peers),
            ", ".join(_aims(each)),
            "short" if each.misses else "reached" if any(_aims(each)) else "",
        )


def _aims(measurement: Measurement) -> Iterator[str]:
    for target in measurement.targets:
        yield f"{'≤' if target.at_most else '≥'} {target.ratio:g} × {target.peer}"
    if measurement.to_reach is not None:
        yield f"≥ {measurement.to_reach:,g} {measurement.unit}"
    if measurement.at_most is not None:
        yield f"≤ {measurement.at_most:,g} {measurement.unit}"


def _run_row(run: Run) -> tuple[str, ...]:
    memory = f"{run.memory_bytes / MIB:,.0f}"
    return run.name, f"{run.seconds:.0f}", memory, f"{run.load_before:.1f}", run.failure or ""


def _table(
    heads: Sequence[str], rows: "Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]"
) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
