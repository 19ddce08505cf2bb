"""How much processor time every part of a running installation has used, children that have ended included."""

from collections.abc import Mapping
from contextlib import suppress

import psutil

from tests.end_to_end.installation import Installation

Seconds = Mapping[str, float]
"""By part, as `up` calls it."""


def processor_seconds(running: Installation) -> Seconds:
    return {name: of_tree(psutil.Process(each.pid)) for name, each in running.processes().items()}


def of_tree(process: psutil.Process) -> float:
    """Of the process, of all that descend from it, and of those of them that have ended and were waited for."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # It ended just now, and is in its parent's next figure.
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def between(before: Seconds, after: Seconds) -> Seconds:
    return {name: after[name] - before[name] for name in after}
