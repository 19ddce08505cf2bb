"""`python -m benchmarks [NAME…]` runs the named benchmarks, or all."""

import asyncio
import os
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import uvloop

from benchmarks import (
    api_workers,
    append,
    batch,
    between,
    deep,
    http,
    idle,
    jobs,
    live,
    long,
    projection,
    recovery,
    relay,
    sealing,
    servers,
    slots,
    snapshots,
    start,
    verify,
    visible,
    words,
)
from benchmarks.memory import watched_memory
from benchmarks.overview import Run, write_overview
from infrastructure.process import collect_rarely

BENCHMARKS: Final[Mapping[str, Callable[[], Coroutine[Any, Any, None]]]] = {
    "append": append.main,
    "sealing": sealing.main,
    "api_workers": api_workers.main,
    "relay": relay.main,
    "projection": projection.main,
    "visible": visible.main,
    "recovery": recovery.main,
    "servers": servers.main,
    "http": http.main,
    "jobs": jobs.main,
    "between": between.main,
    "words": words.main,
    "slots": slots.main,
    "batch": batch.main,
    "long": long.main,
    "start": start.main,
    "idle": idle.main,
    "live": live.main,
    "deep": deep.main,
    "snapshots": snapshots.main,
    "verify": verify.main,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    collect_rarely()  # As in every process of ours.
    began_at, chosen = datetime.now(UTC), names or list(BENCHMARKS)
    runs = [_run(name, f"{place} of {len(chosen)}") for place, name in enumerate(chosen, start=1)]
    write_overview(runs, began_at)
    return int(any(run.failure for run in runs))


def _run(name: str, place: str) -> Run:
    """One benchmark; one that fails says so, and the next has its turn."""
    print(f"\n{name} ({place})", flush=True)
    load, began, failure = os.getloadavg()[0], time.monotonic(), None
    with watched_memory() as memory:
        try:
            asyncio.run(BENCHMARKS[name]())
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are still measured
            traceback.print_exc()
            failure = f"failed: {type(error).__name__}"
    seconds = time.monotonic() - began
    print(f"{name} took {seconds:.0f} s", flush=True)
    return Run(name, seconds, memory.most_bytes, load, failure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
