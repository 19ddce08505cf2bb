"""`python -m benchmarks [NAME…]` runs the named benchmarks, or all."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
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
    long,
    projection,
    recovery,
    relay,
    servers,
    slots,
    start,
    visible,
    words,
)
from infrastructure.process import collect_rarely

BENCHMARKS: Final[Mapping[str, Callable[[], Coroutine[Any, Any, None]]]] = {
    "append": append.main,
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
    "deep": deep.main,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    collect_rarely()  # As in every process of ours.
    for name in names or BENCHMARKS:
        asyncio.run(BENCHMARKS[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
