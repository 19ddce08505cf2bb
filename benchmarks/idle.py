"""The processor time of a system that has nothing to do; the limit is that of its two servers, alone."""

import asyncio
import os
import time
from typing import Final

from benchmarks.measure import Measurement, report
from benchmarks.processor_time import between, processor_seconds
from benchmarks.servers_alone import servers_alone
from benchmarks.stack import open_folder
from tests.end_to_end.installation import start, stop

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "30"))
SETTLE_SECONDS: Final = 30.0
"""Java compiles what it has run, and what was started last looks around; `up` makes Kafka's next start quicker."""
PERCENT_MAX: Final = 2.0
LIMIT: Final = "servers alone"
CAPTION: Final = "per cent of one core, all processes of each part, nobody using the system; PostgreSQL and Kafka alone beside it"


async def main() -> None:
    with open_folder() as folder:
        servers = await servers_alone(folder)
        await servers.learn()
        await servers.start()
        running = await start(folder / "data", engine="scripted")
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            before, alone = processor_seconds(running), servers.processor_seconds()
            began = time.perf_counter()
            await asyncio.sleep(SECONDS)
            seconds = time.perf_counter() - began
            used = between(before, processor_seconds(running))
            limit = servers.processor_seconds() - alone
        finally:
            await stop(running)
            await servers.stop()
    percents = {part: processor * 100 / seconds for part, processor in used.items()}
    report(
        "idle",
        CAPTION,
        [_measured("all", sum(percents.values()), {LIMIT: limit * 100 / seconds}, PERCENT_MAX)],
    )
    report(
        "idle: parts", "of the same", [_measured(part, percent, {}) for part, percent in percents.items()]
    )


def _measured(
    situation: str, percent: float, peers: dict[str, float], at_most: float | None = None
) -> Measurement:
    return Measurement(situation=situation, unit="%", ours=percent, peers=peers, at_most=at_most)
