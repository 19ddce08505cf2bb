"""Counts of several processes of one machine, each in files of its own that all read: a scrape of any is of all."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import prometheus_client.values
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where the client library looks for the folder."""
_KINDS: Final = ("counter", "histogram")
_FILE_BYTES: Final = 1 << 20
"""What the client library makes of a new file."""
_PID_SUFFIX: Final = ".pid"


def provide_counts(folder: Path, count: int) -> None:
    """The room for them, all at once: a disk that is full later would end a process that counts. Raises OSError."""
    for kind in _KINDS:
        for number in range(count):
            with (folder / f"{kind}_{number}.db").open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)


def count_together(folder: Path, number: int) -> None:
    """From here on, and before any metric is declared. A process of the same number went before: its counts go on."""
    os.environ[_VARIABLE] = str(folder)
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    (folder / f"{number}{_PID_SUFFIX}").write_text(str(os.getpid()), encoding="ascii")


def counted_together(folder: Path) -> CollectorRegistry:
    """The sums of what all have counted, and what the system knows of each process."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    registry.register(_Processes(folder))
    return registry


class _Processes(Collector):
    """One series for each process: a sum would go back when one of them ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Family]:
        families: dict[str, Family] = {}
        for path in sorted(self._folder.glob(f"*{_PID_SUFFIX}")):
            pid = int(path.read_text(encoding="ascii") or "0")
            for family in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                whole = families.setdefault(
                    family.name, Family(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    whole.add_sample(sample.name, {"process": path.stem}, sample.value)
        return families.values()
