"""A server of a few lines, to supervise."""

import os
import sys
from pathlib import Path

from embedded.processes import Command
from embedded.servers import Server

FOREVER = "import time\nwhile True: time.sleep(60)"
STUBBORN = (
    f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n{FOREVER}"
)


def python(code: str, log: Path, stop_seconds: float = 10.0) -> Command:
    return Command(
        arguments=[sys.executable, "-I", "-S", "-c", code],
        environment={"PATH": os.environ["PATH"]},
        log=log,
        stop_seconds=stop_seconds,
    )


class Tiny(Server):
    """Runs a line of Python; `starts` counts how often."""

    misconfigured_code = 2

    def __init__(self, name: str, folder: Path, code: str = FOREVER) -> None:
        super().__init__()
        self.name = name
        self.starts = 0
        self._command = python(code, folder / f"{name}.log")

    async def prepare(self) -> None:
        self.starts += 1

    def command(self) -> Command:
        return self._command

    async def answers(self) -> bool:
        return True
