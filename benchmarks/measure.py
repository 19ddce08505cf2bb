"""How a benchmark tells what it found: ours, peer and limit of one run, their ratios, and the same as JSON."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).parent / "results"


class Target(Struct, frozen=True, kw_only=True):
    """Ours divided by `peer` is to reach `ratio`."""

    peer: str
    ratio: float


class Measurement(Struct, frozen=True, kw_only=True):
    """One line: a situation, and what everybody reached in it in the same run, more being better."""

    situation: str
    unit: str
    ours: float
    peers: dict[str, float]
    targets: tuple[Target, ...] = ()

    def ratio(self, peer: str) -> float:
        return self.ours / self.peers[peer] if self.peers[peer] else float("inf")

    @property
    def misses(self) -> list[str]:
        """What falls short, in words."""
        return [
            f"{self.situation}: {self.ratio(target.peer):.2f} x {target.peer}, to reach {target.ratio:g} x"
            for target in self.targets
            if self.ratio(target.peer) < target.ratio
        ]


def report(name: str, caption: str, measurements: Sequence[Measurement]) -> None:
    """Prints the table and writes `benchmarks/results/NAME.json`."""
    console = Console()
    unit, peers = measurements[0].unit, list(measurements[0].peers)
    title = f"{name}, {unit} (one run, {os.cpu_count()} cores)"
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left", box=SIMPLE)
    table.add_column("", no_wrap=True)
    for column in ["ours", *peers, *(f"x {peer}" for peer in peers)]:
        table.add_column(column, justify="right")
    for each in measurements:
        figures = [f"{figure:,.0f}" for figure in (each.ours, *each.peers.values())]
        table.add_row(each.situation, *figures, *(f"{each.ratio(peer):.2f}" for peer in peers))
    console.print(table)
    for miss in [miss for each in measurements for miss in each.misses]:
        console.print(f"short of its target: {miss}")
    _write(name, measurements)


def _write(name: str, measurements: Sequence[Measurement]) -> None:
    RESULTS.mkdir(exist_ok=True)
    content = {
        "benchmark": name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "measurements": msgspec.to_builtins(list(measurements)),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
