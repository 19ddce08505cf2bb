"""From `stenolog up` to ready, and from the command to its help; the limit of both is what they cannot do without."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.measure import Measurement, report
from benchmarks.servers_alone import ServersAlone, servers_alone
from benchmarks.stack import open_folder
from tests.end_to_end.installation import start, stop

TURNS: Final = 3
HELP_TURNS: Final = 10
UP_SECONDS_MAX: Final = 6.0
HELP_SECONDS_MAX: Final = 0.3
LIMIT: Final = "limit"
HELP: Final = (str(Path(sys.executable).with_name("stenolog")), "--help")
BARE: Final = (sys.executable, "-c", "import click")
CAPTION: Final = (
    "up: until every part says that it is ready, scripted engine, on a new folder and on one from before; its limit: "
    "PostgreSQL and Kafka alone, in turn with it; help: `stenolog --help`; its limit: a Python that imports click"
)


async def main() -> None:
    with open_folder() as folder:
        servers = await servers_alone(folder)
        await servers.learn()
        new = await _up(folder / "data"), await _servers_start(servers)
        turns = [(await _up(folder / "data"), await _servers_start(servers)) for _ in range(TURNS)]
    ours, limit = (statistics.median(each) for each in zip(*turns, strict=True))
    report(
        "start",
        CAPTION,
        [
            _measured("up, new folder", *new, at_most=None),
            _measured("up, warm", ours, limit, UP_SECONDS_MAX),
            _measured("help", _command_seconds(HELP), _command_seconds(BARE), HELP_SECONDS_MAX),
        ],
    )


def _measured(situation: str, ours: float, limit: float, at_most: float | None) -> Measurement:
    return Measurement(situation=situation, unit="s", ours=ours, peers={LIMIT: limit}, at_most=at_most)


async def _up(folder: Path) -> float:
    began = time.perf_counter()
    running = await start(folder, engine="scripted")
    seconds = time.perf_counter() - began
    await stop(running)
    return seconds


async def _servers_start(servers: ServersAlone) -> float:
    began = time.perf_counter()
    await servers.start()
    seconds = time.perf_counter() - began
    await servers.stop()
    return seconds


def _command_seconds(command: tuple[str, ...]) -> float:
    """The median of some."""
    taken: list[float] = []
    for _ in range(HELP_TURNS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
