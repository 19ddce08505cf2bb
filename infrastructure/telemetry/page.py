"""The page that lists every metric, made of their declarations."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from infrastructure.processes import ROOT
from infrastructure.telemetry import metrics
from infrastructure.telemetry.kinds import Metric

PATH: Final = ROOT / "docs" / "metrics.md"

_HEAD: Final = """\
# Metrics

`GET /metrics` of an API process answers in Prometheus' text format. Nothing in it names a person: no label holds an id, an address of
somebody or anything a client can make up. This page is made by `python -m infrastructure.telemetry`.

## Counted by each API process
They begin at 0 with the process, so look at rates, and add the processes up. Those behind one port (`stenolog api --workers N`) are added up already, whichever is asked. The
`process_…` metrics beside them are those of the Prometheus client, and with several processes have a label `process`.

"""
_READ: Final = """
## Read at a scrape
Once a second at most, however many scrape. But for the disks they are of the whole system, and every API process says the same: take one of
them. Counters are counted in the log since the process was first asked; look at rates here, too.

"""


def declared() -> Sequence[Metric[Any]]:
    """In the order of their declaration."""
    return [each for each in vars(metrics).values() if isinstance(each, Metric)]


def page() -> str:
    counted = _table(each for each in declared() if each.counted)
    read = _table(each for each in declared() if not each.counted)
    return _HEAD + counted + _READ + read


def _table(rows: Iterable[Metric[Any]]) -> str:
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    lines += [_row(each) for each in rows]
    return "\n".join(lines) + "\n"


def _row(metric: Metric[Any]) -> str:
    name = metric.name + ("_total" if metric.kind == "counter" else "")
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    return f"| `{name}` | {metric.kind} | {labels} | {metric.meaning} |"
