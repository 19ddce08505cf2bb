"""How a benchmark tells what it found: ours, peer and limit of one run, their ratios, and the same as JSON."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine

COLUMNS_MIN: Final = 124
"""What the widest table takes; a terminal that is narrower breaks the lines itself."""
RESULTS: Final = Path(__file__).parent / "results"


class Target(Struct, frozen=True, kw_only=True):
    """Ours divided by `peer` is to reach `ratio`, or with `at_most` not to exceed it."""

    peer: str
    ratio: float
    at_most: bool = False

    def is_missed(self, ratio: float) -> bool:
        return ratio > self.ratio if self.at_most else ratio < self.ratio


class Measurement(Struct, frozen=True, kw_only=True):
    """One line: a situation, and what everybody reached in it in the same run.

    `to_reach` is a figure of ours alone that is to be reached, `at_most` one that is not to be exceeded.
    """

    situation: str
    unit: str
    ours: float
    peers: dict[str, float]
    targets: tuple[Target, ...] = ()
    to_reach: float | None = None
    at_most: float | None = None

    def ratio(self, peer: str) -> float:
        return self.ours / self.peers[peer] if self.peers[peer] else float("inf")

    @property
    def misses(self) -> list[str]:
        """What falls short, in words."""
        missed = [target for target in self.targets if target.is_missed(self.ratio(target.peer))]
        words = [
            f"{self.situation}: {self.ratio(each.peer):.2f} x {each.peer}, "
            f"{'at most' if each.at_most else 'to reach'} {each.ratio:g} x"
            for each in missed
        ]
        if self.to_reach is not None and self.ours < self.to_reach:
            words.append(f"{self.situation}: {self.ours:,.0f} {self.unit}, to reach {self.to_reach:,.0f}")
        if self.at_most is not None and self.ours > self.at_most:
            words.append(f"{self.situation}: {self.ours:,.0f} {self.unit}, at most {self.at_most:,.0f}")
        return words


class Report(Struct, frozen=True, kw_only=True):
    """What a benchmark found, as `benchmarks/results/NAME.json` has it."""

    benchmark: str
    caption: str
    measured_at: datetime
    machine: str
    measurements: Sequence[Measurement]


def report(name: str, caption: str, measurements: Sequence[Measurement]) -> None:
    """Prints the table and writes `benchmarks/results/NAME.json`."""
    console = Console()
    console.width = max(console.width, COLUMNS_MIN)
    unit, peers = measurements[0].unit, list(measurements[0].peers)
    title = f"{name}, {unit} (one run, {os.cpu_count()} cores)"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("", no_wrap=True)
    for column in ["ours", *peers, *(f"x {peer}" for peer in peers)]:
        table.add_column(column, justify="right")
    for each in measurements:
        figures = [shown(figure) for figure in (each.ours, *each.peers.values())]
        table.add_row(each.situation, *figures, *(f"{each.ratio(peer):.2f}" for peer in peers))
    console.print(table)
    console.print(caption)
    for miss in [miss for each in measurements for miss in each.misses]:
        console.print(f"short of its target: {miss}")
    _write(
        Report(
            benchmark=name,
            caption=caption,
            measured_at=datetime.now(UTC),
            machine=machine(),
            measurements=measurements,
        )
    )


def shown(figure: float) -> str:
    if figure < 10:
        return f"{figure:,.2f}"
    return f"{figure:,.1f}" if figure < 100 else f"{figure:,.0f}"


def _write(found: Report) -> None:
    RESULTS.mkdir(exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(found), indent=2)
    (RESULTS / f"{found.benchmark}.json").write_bytes(content + b"\n")
